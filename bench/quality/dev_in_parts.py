"""A run's accuracy on dev looked at more closely, at the run's own threshold.

    python bench/quality/dev_in_parts.py --run runs/lcqmc_small [--output FILE.json]

By how many of a pair's sentences occur in training; with the two sentences exchanged, and by the mean of both orders;
and as a loader without this project sees the folder: without its own parts (final_project/model/custom_parts.py).
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.figures import show
from final_project.data.files.tables import read_pairs
from final_project.data.records import Pair
from final_project.model.custom_parts import CUSTOM_EMBEDDINGS
from similarity_v0.api import PairClassifier


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    train, dev = (read_pairs(arguments.run / "prepare" / f"{split}.csv", labelled=True) for split in ("train", "dev"))
    folder = arguments.run / "similarity_v0" / "result" / "model"
    classifier = PairClassifier.load(folder)
    labels_N = np.array([pair.label for pair in dev])

    def accuracy(decided_N: np.ndarray, chosen_N: np.ndarray | None = None) -> float:
        right_N = decided_N == labels_N
        return round(float((right_N if chosen_N is None else right_N[chosen_N]).mean()), 4)

    forward = classifier.predict([(pair.sentence1, pair.sentence2) for pair in dev])
    backward = classifier.predict([(pair.sentence2, pair.sentence1) for pair in dev])
    both_N = (forward.probabilities + backward.probabilities) / 2 >= classifier.decision.threshold
    n_seen_N = sentences_seen(dev, train)
    show({
        "dev": accuracy(forward.labels),
        "by_sentences_seen_in_training": {
            name: {"pairs": int((n_seen_N == number).sum()), "accuracy": accuracy(forward.labels, n_seen_N == number)}
            for number, name in enumerate(("none", "one", "both"))
            if (n_seen_N == number).any()
        },
        "exchanged": accuracy(backward.labels),
        "decided_alike_in_both_orders": round(float((forward.labels == backward.labels).mean()), 4),
        "mean_of_both_orders": accuracy(both_N),
        **({"plain_loader": accuracy(as_loaded_plainly(folder, dev))} if own_parts_in(folder) else {}),
    }, arguments.output)  # fmt: skip


def sentences_seen(dev: list[Pair], train: list[Pair]) -> np.ndarray:
    known = {side for pair in train for side in (pair.sentence1, pair.sentence2)}
    return np.array([(pair.sentence1 in known) + (pair.sentence2 in known) for pair in dev])


def own_parts_in(folder: Path) -> set[str]:
    return CUSTOM_EMBEDDINGS.keys() & json.loads((folder / "config.json").read_text(encoding="utf-8"))


def as_loaded_plainly(folder: Path, dev: list[Pair]) -> np.ndarray:
    """Labels of a copy whose config asks for none of them, which is what other loaders make of the folder."""
    with tempfile.TemporaryDirectory() as place:
        copy = Path(shutil.copytree(folder, Path(place) / "model"))
        config = json.loads((copy / "config.json").read_text(encoding="utf-8"))
        config = {name: value for name, value in config.items() if name not in CUSTOM_EMBEDDINGS}
        (copy / "config.json").write_text(json.dumps(config), encoding="utf-8")
        return PairClassifier.load(copy).predict([(pair.sentence1, pair.sentence2) for pair in dev]).labels


if __name__ == "__main__":
    main()
