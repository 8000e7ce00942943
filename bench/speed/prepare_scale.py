"""How `prepare` grows: time and peak memory at 0.3 to 2.4 million made pairs, beside the same job in plain pandas.

    python bench/speed/prepare_scale.py [--rows 300000 600000 1200000 2400000] [--repeats 3] [--output FILE.json]

Both drop repeats (either order, by normal form), contradictions and leaks, and write the same training pairs and text;
the script checks that they agree in number. Runs are interleaved, each in a process of its own; medians are shown.
Times are given as ratios: to the smallest size (growth), and pandas' to ours.
"""

from __future__ import annotations

import argparse
import json
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

POLICIES = ("duplicates", "contradictions", "leaks", "text_duplicates", "text_leaks")


def measure(command: list[str]) -> tuple[float, float]:
    """(seconds, peak resident MiB) of one process; ends the bench where it fails."""
    began = time.perf_counter()
    environment = {**os.environ, "OMP_NUM_THREADS": "2", "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    said = process.stderr.read().decode()
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"{' '.join(command)} failed:\n{said[-3000:]}")
    return time.perf_counter() - began, usage.ru_maxrss / 1024


def commands(folder: Path, train: Path) -> dict[str, list[str]]:
    files = {"train": train, "dev": folder / "dev.tsv", "test": folder / "test.tsv"}
    ours = [f"prepare.{split}_file={path}" for split, path in files.items()]
    ours += [f"prepare.{policy}=drop" for policy in POLICIES] + [f"runs_dir={folder}/runs", "name=ours"]
    return {
        "ours": [sys.executable, "-m", "final_project", "prepare", "--recipe", "demo", "--force", "--", *ours],
        "pandas": [sys.executable, "bench/speed/prepare_in_pandas.py", *map(str, (*files.values(), folder / "pandas"))],
    }


def make(*arguments: str) -> None:
    """Write the files, in a process of its own: a child counts its parent's memory at birth as its own peak."""
    subprocess.run([sys.executable, "bench/made/made_pairs.py", *arguments], cwd=ROOT, check=True)


def check_agreement(folder: Path) -> dict[str, int]:
    ours = json.loads((folder / "runs/ours/prepare/statistics.json").read_text(encoding="utf-8"))
    pandas = json.loads((folder / "pandas/statistics.json").read_text(encoding="utf-8"))
    found = {"train": ours["sets"]["train"]["rows"], "text": ours["text"]["rows"]}
    if found != {key: pandas[key] for key in found}:
        sys.exit(f"the two do not agree: ours {found}, pandas {pandas}")
    return found


def bench(sizes: list[int], repeats: int) -> list[dict]:
    rows = []
    with tempfile.TemporaryDirectory(dir=ROOT / "runs" if (ROOT / "runs").is_dir() else None) as name:
        folder = Path(name)
        for size in sizes:
            train = folder / "train.tsv"
            make(str(folder), str(size))
            runs: dict[str, list[tuple[float, float]]] = {"ours": [], "pandas": []}
            for _ in range(repeats):
                for system, command in commands(folder, train).items():
                    runs[system].append(measure(command))
            kept = check_agreement(folder)
            medians = {
                system: [statistics.median(values) for values in zip(*found, strict=True)]
                for system, found in runs.items()
            }
            rows.append({"rows": size, "kept": kept, "medians": medians})
            print(f"{size:,} rows done", file=sys.stderr)
    return rows


def table(rows: list[dict]) -> list[dict]:
    smallest = rows[0]
    return [
        {
            "rows": row["rows"],
            "growth_of_rows": round(row["rows"] / smallest["rows"], 2),
            "growth_of_time": round(row["medians"]["ours"][0] / smallest["medians"]["ours"][0], 2),
            "peak_mib": round(row["medians"]["ours"][1]),
            "pandas_peak_mib": round(row["medians"]["pandas"][1]),
            "pandas_time_to_ours": round(row["medians"]["pandas"][0] / row["medians"]["ours"][0], 2),
            "pandas_memory_to_ours": round(row["medians"]["pandas"][1] / row["medians"]["ours"][1], 2),
            "kept": row["kept"],
        }
        for row in rows
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[300_000, 600_000, 1_200_000, 2_400_000])
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    found = {"cores": os.cpu_count(), "python": sys.version.split()[0], "repeats": arguments.repeats}
    found["table"] = table(bench(arguments.rows, arguments.repeats))
    show(found, arguments.output)


if __name__ == "__main__":
    main()
