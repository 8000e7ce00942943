"""Short runs of both training stages on real pairs, from which benches compare settings: ordinary runs, so that the
same call goes on where an earlier one stopped. Their benches share a command line as well."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.figures import measured
from final_project.artifacts import folder_atomic
from final_project.run.stage_folder import StageFolder

ROOT = Path(__file__).resolve().parents[2]


def read_arguments(about: str, seeds: list[int]) -> argparse.Namespace:
    """seeds: where none are given."""
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=seeds)
    parser.add_argument("--runs-dir", type=lambda text: Path(text).resolve(), default=ROOT / "runs")
    parser.add_argument("--text-rows", type=int, default=150_000, help="drawn evenly from the text (default: 150000)")
    parser.add_argument("--output", type=Path)
    parser.add_argument("settings", nargs="*", metavar="key=value")
    return parser.parse_args()


def run_both_stages(
    arguments: argparse.Namespace, bench: str, name: str, seed: int, recipe: str, settings: list[str],
    augmented: bool = False, encoder_of: str = "",
) -> dict[str, Any]:  # fmt: skip
    """Post-train and fine-tune below RUNS_DIR/bench/name_seed, on a copy of what the recipe's prepare has made with so
    many rows of its text, drawn evenly; augmented: with the training pairs that those at hand imply; encoder_of: the
    run that has post-trained the same, where it is another one, so that this one only fine-tunes. What the command
    line sets goes over `settings`. Returns the curves by update and the best score on dev."""
    prepared, place = arguments.runs_dir / recipe / "prepare", arguments.runs_dir / bench
    run_dir = place / f"{name}_{seed}" / recipe
    posttrained = StageFolder(place / f"{encoder_of or name}_{seed}" / recipe, "posttrain")
    settings = [*settings, *arguments.settings, f"seed={seed}", f"runs_dir={run_dir.parent}"]
    stages = ["posttrain", "similarity_v0"]
    if encoder_of not in ("", name):
        settings.append(f"similarity_v0.init={posttrained.path / posttrained.manifest()['model']}")
        stages.remove("posttrain")
    if not (run_dir / "prepare").is_dir():
        with folder_atomic(run_dir / "prepare") as partial:
            prepare(prepared, partial, arguments.text_rows, augmented)
    command = ("bash", "run.sh", "--recipe", recipe, *stages, "--", *settings)
    environment = {"VENV": sys.prefix} if sys.prefix != sys.base_prefix else {}  # else run.sh has its own
    subprocess.run(command, cwd=ROOT, check=True, env={**os.environ, **environment}, stdout=sys.stderr)
    curves = {
        key: {row["step"]: round(row[key], 4) for row in measured(stage, key)}
        for stage, key in ((posttrained.path, "held_out_perplexity"), (run_dir / "similarity_v0", "dev_accuracy"))
    }
    scores = json.loads((run_dir / "similarity_v0" / "result" / "scores.json").read_text(encoding="utf-8"))
    return {**curves, "best_dev_accuracy": round(scores["dev"]["accuracy"], 4)}


def prepare(prepared: Path, folder: Path, text_rows: int, augmented: bool) -> None:
    shutil.copytree(prepared, folder, dirs_exist_ok=True)
    texts = (prepared / "text.tsv").read_text(encoding="utf-8").splitlines(keepends=True)
    drawn = texts[:: max(1, len(texts) // text_rows)][:text_rows]
    (folder / "text.tsv").write_text("".join(drawn), encoding="utf-8")
    if augmented:
        pairs = str(folder / "train.csv")
        augment = (sys.executable, "-m", "final_project", "augment", "--input", pairs, "--output", pairs)
        subprocess.run(augment, cwd=ROOT, check=True, stdout=sys.stderr)
