"""Does memory stay flat while a stage trains? 2,000 steps of the tiny demo; the growth from step 200 to the last.

    python bench/speed/memory_over_steps.py [steps] [-- key=value ...]

On a CPU it is the process's resident memory, on CUDA the highest on the device. One JSON object on standard output;
exit status 1 where it grows by more than 2 %.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from bench.figures import measured  # noqa: E402

LIMIT = 0.02
SETTLED_AT = 200  # allocators and caches have seen every length by then
PAIRS = 800
TINY = (
    "encoder.n_layers=2", "encoder.hidden_size=64", "encoder.n_heads=2", "encoder.intermediate_size=128",
    "encoder.max_positions=64", f"prepare.demo_pairs={PAIRS}", "posttrain.held_out_rows=40", "posttrain.step_rows=8",
    "posttrain.micro_rows=8", "posttrain.log_every=20", "posttrain.precision=fp32",
)  # fmt: skip


def memory_by_step(runs: Path, steps: int, overrides: list[str]) -> list[tuple[int, float]]:
    """(step, MB) of every log line of a fresh run."""
    epochs = -(-steps * 8 // (PAIRS - 40))
    settings = [*TINY, f"runs_dir={runs}", f"posttrain.epochs={epochs}", *overrides]
    for stage in (["final_project", "prepare"], ["posttrain"]):
        subprocess.run([sys.executable, "-m", *stage, "--recipe", "demo", "--", *settings], cwd=ROOT, check=True)
    return [(row["step"], row["memory_mb"]) for row in measured(runs / "demo" / "posttrain", "memory_mb")]


def main(argv: list[str]) -> int:
    words = argv[: argv.index("--")] if "--" in argv else argv
    overrides = argv[argv.index("--") + 1 :] if "--" in argv else []
    with tempfile.TemporaryDirectory() as folder:
        found = memory_by_step(Path(folder), int(words[0]) if words else 2000, overrides)
    settled = next(mb for step, mb in found if step >= SETTLED_AT)
    last_step, last = found[-1]
    growth = last / settled - 1
    print(json.dumps({"steps": last_step, "mb_settled": settled, "mb_last": last, "growth": round(growth, 4)}))
    return int(growth > LIMIT)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
