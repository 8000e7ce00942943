"""The figures of finished runs, as the README and docs/RESULTS.md print them.

    python bench/quality/run_figures.py --run runs/demo runs/demo_plain --output docs/results/demo.json
    python bench/quality/run_figures.py --run runs/lcqmc_small --minutes --curve CURVE.json [--peers PEER.json ...]

For each run, by its folder's name: rows, updates and scores of fine-tuning; figures of the rationales (raw, of both
chains, of choices without a model); the accuracy of the character-overlap classifier; what the run was made with.
--minutes adds the wall time of its stages: give it for runs that went through without a stop, on a machine with nothing
else to do. --curve writes accuracy on dev against minutes, a list of {name, minutes, dev_accuracy}: all that came
before fine-tuning, and as large a part of that as updates were made; of a peer, as large a part of its time.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.figures import measured, show

STAGES = ("prepare", "posttrain", "similarity_v0", "similarity_v1")
DIGITS = 6  # what is printed is rounded from these


def figures(run: Path) -> dict[str, Any]:
    tuned, explained = manifest(run, "similarity_v0"), manifest(run, "similarity_v1")
    evaluation = _read(run / "similarity_v1" / "evaluation.json")
    return {
        "rows": tuned["rows"] | {"explained": evaluation["rows"], "with_gold": evaluation["gold_rows"]},
        "perturbed_pairs": evaluation["perturbed_pairs"],
        "updates": tuned["updates"],
        "scores": tuned["scores"],
        "systems": evaluation["systems"],
        "baselines": evaluation["baselines"],
        "character_overlap": _read(run / "prepare" / "statistics.json")["overlap_baseline"],
        "seed": explained["recipe"]["seed"],
        "start": explained["recipe"]["encoder"]["start"],
        "processes": explained["processes"],
        "versions": {name: explained["versions"][name] for name in ("python", "torch", "transformers")},
    }


def minutes(run: Path) -> dict[str, float]:
    of_stage = {stage: manifest(run, stage)["seconds"] / 60 for stage in STAGES}
    return of_stage | {"together": sum(of_stage.values())}


def curve(run: Path) -> list[dict[str, Any]]:
    tuned = manifest(run, "similarity_v0")
    before = manifest(run, "prepare")["seconds"] + manifest(run, "posttrain")["seconds"]
    return [
        {
            "name": run.name,
            "minutes": (before + tuned["seconds"] * row["step"] / tuned["updates"]) / 60,
            "dev_accuracy": row["dev_accuracy"],
        }
        for row in measured(run / "similarity_v0", "dev_accuracy")
    ]


def curve_of_peer(file: Path) -> list[dict[str, Any]]:
    """From what a peer of bench/peers/ has left; one point where it looked at dev at its end alone."""
    peer = _read(file)
    updates = peer.get("updates", 1)
    accuracies = peer.get("dev_accuracy_by_update") or {updates: peer["dev_accuracy"]}
    name, minutes = file.stem.removeprefix("peer_"), peer["train_s"] / 60
    return [
        {"name": name, "minutes": minutes * int(done) / updates, "dev_accuracy": accuracy}
        for done, accuracy in accuracies.items()
    ]


def manifest(run: Path, stage: str) -> dict[str, Any]:
    return _read(run / stage / "manifest.json")


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def rounded(value: Any) -> Any:
    """The same with every float cut to what a page may print, and not a digit of rounding noise more."""
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [rounded(inner) for inner in value]
    return round(value, DIGITS) if isinstance(value, float) else value


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, nargs="+", required=True, help="folders of finished runs")
    parser.add_argument("--minutes", action="store_true", help="wall time of the stages as well")
    parser.add_argument("--curve", type=Path, help="JSON file for accuracy against minutes")
    parser.add_argument("--peers", type=Path, nargs="+", default=[], help="result files of peers, for the curve")
    parser.add_argument("--output", type=Path, help="JSON file for the figures, which are printed as well")
    arguments = parser.parse_args()
    found = {run.name: figures(run) | ({"minutes": minutes(run)} if arguments.minutes else {}) for run in arguments.run}
    show(rounded(found), arguments.output)
    if arguments.curve:
        curves = [*map(curve, arguments.run), *map(curve_of_peer, arguments.peers)]
        show(rounded([point for points in curves for point in points]), arguments.curve)


if __name__ == "__main__":
    main()
