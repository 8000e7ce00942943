"""What a second process gives: tokens a second and memory of posttrain on one and on two ranks, a core each.

    python bench/speed/scaling.py [--rounds 3] [--output FILE.json] [-- key=value ...]

Runs are interleaved; the speed of a run is the median of its log lines after the first, relative to the first engine on
one rank. memory_mb is the highest resident memory of the first rank's process (on CUDA: of its device).
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from bench.figures import measured, show  # noqa: E402

SETTINGS = (
    "encoder.n_layers=4", "encoder.hidden_size=256", "encoder.intermediate_size=1024", "prepare.demo_pairs=4000",
    "posttrain.epochs=2", "posttrain.step_rows=64", "posttrain.micro_rows=32", "posttrain.log_every=10",
)  # fmt: skip
ENGINES = {
    "torch (DDP)": ("posttrain.engine=torch",),
    "fsdp2": ("posttrain.engine=fsdp2",),
    "deepspeed ZeRO-1": ("posttrain.engine=deepspeed", "posttrain.zero_stage=1"),
    "deepspeed ZeRO-3": ("posttrain.engine=deepspeed", "posttrain.zero_stage=3"),
}


def run(runs: Path, ranks: int, settings: list[str]) -> tuple[float, float]:
    """(tokens a second, highest memory in MB) of one run of the stage."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    launcher = ("final_project.parallel.torchrun", f"--nproc-per-node={ranks}", "--standalone", "-m", "posttrain")
    command = [sys.executable, "-m", *launcher, "--recipe", "demo", "--force", "--", *settings, f"runs_dir={runs}"]
    subprocess.run(command, cwd=ROOT, check=True, env=environment)
    rows = measured(runs / "demo" / "posttrain", "tokens_per_s")
    return statistics.median(row["tokens_per_s"] for row in rows[1:]), max(row["memory_mb"] for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path)
    parser.add_argument("settings", nargs="*", metavar="key=value")
    arguments = parser.parse_args()
    settings = [*SETTINGS, *arguments.settings]
    found: dict[tuple[str, int], list[tuple[float, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        prepare = ("final_project", "prepare", "--recipe", "demo", "--", *settings, f"runs_dir={folder}")
        subprocess.run([sys.executable, "-m", *prepare], cwd=ROOT, check=True)
        for _ in range(arguments.rounds):
            for name, engine in ENGINES.items():
                for ranks in (1, 2):
                    figures = run(Path(folder), ranks, [*settings, *engine])
                    found.setdefault((name, ranks), []).append(figures)
    speed = {key: statistics.median(speed for speed, _ in runs) for key, runs in found.items()}
    base = next(iter(speed.values()))
    table = {
        f"{name}, {ranks} rank{'s' * (ranks > 1)}": {
            "speed": round(speed[name, ranks] / base, 2),
            "memory_mb": round(statistics.median(memory for _, memory in found[name, ranks])),
        }
        for name, ranks in found
    }
    show({"cores": os.cpu_count(), "rounds": arguments.rounds, "runs": table}, arguments.output)


if __name__ == "__main__":
    main()
