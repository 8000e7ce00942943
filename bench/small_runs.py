"""Short runs of both training stages on real pairs, from which benches compare settings: ordinary runs, so that the
same call goes on where an earlier one stopped."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

from figures import measured

ROOT = Path(__file__).resolve().parent.parent


def run_both_stages(
    recipe: str, place: Path, prepared: Path, text_rows: int, settings: list[str], augmented: bool = False
) -> dict[str, Any]:
    """Post-train and fine-tune below `place`, on a copy of what prepare has made with so many rows of its text, drawn
    evenly; augmented: with the training pairs that those at hand imply. Returns the curves by update and the best
    score on dev."""
    run_dir = place / recipe
    if not (run_dir / "prepare").is_dir():
        shutil.copytree(prepared, run_dir / "prepare")
        texts = (prepared / "text.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
        drawn = texts[:: max(1, len(texts) // text_rows)][:text_rows]
        (run_dir / "prepare" / "text.tsv").write_text("".join(drawn), encoding="utf-8")
        if augmented:
            pairs = run_dir / "prepare" / "train.csv"
            augment = ("augment", "--input", str(pairs), "--output", str(pairs))
            subprocess.run([sys.executable, "-m", "final_project", *augment], cwd=ROOT, check=True, stdout=sys.stderr)
    command = ("bash", "run.sh", "--recipe", recipe, "posttrain", "similarity_v0", "--", *settings, f"runs_dir={place}")
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, "VENV": sys.prefix}, stdout=sys.stderr)
    curves = {
        key: {row["step"]: round(row[key], 4) for row in measured(run_dir / stage, key)}
        for stage, key in (("posttrain", "held_out_perplexity"), ("similarity_v0", "dev_accuracy"))
    }
    scores = json.loads((run_dir / "similarity_v0" / "result" / "scores.json").read_text(encoding="utf-8"))
    return {**curves, "best_dev_accuracy": round(scores["dev"]["accuracy"], 4)}
