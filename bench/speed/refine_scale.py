"""How `refine`, `evaluate` and `validate` grow with the rows, and f3's search beside the direct reading of its rule.

    python bench/speed/refine_scale.py [--rows 1000 4167 10000 30000 100000] [--direct 500 1000] [--repeats 3]
        [--output FILE.json]

Each command runs in a process of its own on made pairs (bench/made/made_rationales.py), half of them originals, half
twins. Times are given as ratios: to the smallest size (growth), and the direct reading's to ours, on sizes that it can
finish; there both must find the same originals. Peak memory and processor seconds are the process's; a machine
that does other work at the same time changes the latter little.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from bench.figures import show  # noqa: E402


def measure(*command: str) -> tuple[float, float, float]:
    """(seconds, processor seconds, peak resident MiB) of one process; ends the bench where it fails."""
    began = time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, *command], cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    said = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed:\n{said[-3000:]}")
    return time.perf_counter() - began, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def commands(folder: Path) -> dict[str, list[str]]:
    pairs = ["--pairs", str(folder / "pairs.jsonl")]
    refined = str(folder / "out" / "sim_rationale_clean.txt")
    measured = ["--gold", str(folder / "gold.jsonl"), "--pair-map", str(folder / "map.jsonl")]
    files = ["--rationales", str(folder / "raw.txt"), "--originals", str(folder / "originals.tsv")]
    return {
        "refine": ["-m", "similarity_v1", "refine", *pairs, *files, "--output-dir", str(folder / "out")],
        "validate": ["-m", "similarity_v1", "validate", *pairs, "--submission", refined],
        "evaluate": ["-m", "similarity_v1", "evaluate", *pairs, "--predictions", refined, *measured],
    }


def grow(folder: Path, sizes: list[int], repeats: int) -> list[dict]:
    rows = []
    for size in sizes:
        measure("bench/made/made_rationales.py", str(folder), str(size))
        found = {name: [measure(*command) for _ in range(repeats)] for name, command in commands(folder).items()}
        rows.append({"rows": size, **{name: [min(x) for x in zip(*runs, strict=True)] for name, runs in found.items()}})
        print(f"{size:,} rows done", file=sys.stderr)
    smallest = rows[0]
    return [
        {
            "rows": row["rows"],
            **{
                name: {
                    "seconds": round(row[name][0], 2),
                    "processor_s": round(row[name][1], 2),
                    "growth_of_time": round(row[name][1] / smallest[name][1], 2),
                    "peak_mib": round(row[name][2]),
                }
                for name in ("refine", "validate", "evaluate")
            },
        }
        for row in rows
    ]


SEARCH = """
import json, sys, time
from pathlib import Path
from final_project.data.files.contest import read_segmented
from similarity_v1.rationales.bleu import best_hypotheses
from similarity_v1.rationales.published_chain import read_source_rows
folder = Path(sys.argv[1])
pairs, originals = read_segmented(folder / "pairs.jsonl"), read_source_rows(folder / "originals.tsv")
known = [originals.holds(pair) for pair in pairs]
words = [pair.words_q + pair.words_t for pair in pairs]
found = best_hypotheses([w for w, k in zip(words, known) if k], [w for w, k in zip(words, known) if not k])
assert found == json.loads((folder / "nearest.json").read_text()), "the two do not find the same originals"
"""


def beside_the_direct_reading(folder: Path, sizes: list[int], repeats: int) -> list[dict]:
    rows = []
    for size in sizes:
        measure("bench/made/made_rationales.py", str(folder), str(size))
        direct = statistics.median(measure("bench/speed/refine_directly.py", str(folder))[1] for _ in range(repeats))
        ours = statistics.median(measure("-c", SEARCH, str(folder))[1] for _ in range(repeats))
        rows.append({"rows": size, "direct_to_ours": round(direct / ours, 1), "direct_s": round(direct, 1)})
        print(f"{size:,} rows beside the direct reading done", file=sys.stderr)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[1_000, 4_167, 10_000, 30_000, 100_000])
    parser.add_argument("--direct", type=int, nargs="*", default=[500, 1_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = {
            "cores": os.cpu_count(),
            "python": sys.version.split()[0],
            "repeats": arguments.repeats,
            "direct": beside_the_direct_reading(folder, arguments.direct, arguments.repeats),
            "growth": grow(folder, arguments.rows, arguments.repeats),
        }
    show(found, arguments.output)


if __name__ == "__main__":
    main()
