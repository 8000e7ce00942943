"""The figures of finished runs of the demo, as the README prints them.

    bash run.sh --recipe demo
    bash run.sh --recipe demo -- name=demo_plain encoder.start=bert
    python bench/demo_figures.py --run runs/demo runs/demo_plain [--output docs/results/demo.json]

For each run, by its name: accuracy and rationale figures of the raw rows, of both chains, and of choices without a
model; the character-overlap classifier's accuracy; what the run was made with.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from figures import show

FIGURES = ("accuracy", "token_f1", "iou_f1", "map", "share_chosen")
DIGITS = 6  # what is printed is rounded from these


def figures(run: Path) -> dict[str, Any]:
    evaluation = _read(run / "similarity_v1" / "evaluation.json")
    baselines = _read(run / "prepare" / "statistics.json")["overlap_baseline"]
    last = _read(run / "similarity_v1" / "manifest.json")
    return {
        "test_pairs": evaluation["gold_rows"],
        "perturbed_pairs": evaluation["perturbed_pairs"],
        "systems": _chosen(evaluation["systems"]),
        "baselines": _chosen(evaluation["baselines"]),
        "character_overlap": {name: round(value, DIGITS) for name, value in baselines.items()},
        "seed": last["recipe"]["seed"],
        "start": last["recipe"]["encoder"]["start"],
        "processes": last["processes"],
        "versions": {name: last["versions"][name] for name in ("python", "torch", "transformers")},
    }


def _chosen(systems: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
    return {system: {name: round(of[name], DIGITS) for name in FIGURES} for system, of in systems.items()}


def _read(path: Path) -> dict[str, Any]:
    return json.loads(path.read_text(encoding="utf-8"))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, nargs="+", required=True, help="folders of finished runs")
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    show({run.name: figures(run) for run in arguments.run}, arguments.output)


if __name__ == "__main__":
    main()
