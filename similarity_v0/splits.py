"""Check the splits before anything is trained on them, and take the training pairs that the recipe wants."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import numpy as np

from final_project.data.files.tables import iter_pairs
from final_project.data.quality.fingerprints import distinct, fingerprints, found_in
from final_project.data.records import Pair
from final_project.errors import DataError
from final_project.settings import SimilarityV0

log = logging.getLogger(__name__)

NAMES = ("train", "dev", "test")
MAX_TEST_OVERLAP = 0.5  # reject dev if more than half of its pairs also occur in test


def choose_rows(n_rows: int, most: int, seed: int) -> np.ndarray:
    """All row numbers, or the first `most` after a seeded shuffle, in file order."""
    if most == 0 or most >= n_rows:
        return np.arange(n_rows)
    return np.sort(np.random.default_rng([seed, n_rows]).permutation(n_rows)[:most])


def is_test_file(path: Path) -> bool:
    """Whether a file's name says so: test.csv, test_predictions.csv, lcqmc-test.tsv."""
    return "test" in re.split(r"[^a-z]+", path.stem.lower())


def require_labels(source: Path, split: str, pairs: list[Pair]) -> None:
    """Train and dev need a label on every row, and both labels."""
    if split == "test":
        return
    labels = {pair.label for pair in pairs}
    if None in labels:
        raise DataError(source, f"the {split} split needs a label on every row")
    if len(labels) == 1:
        use = "learn from" if split == "train" else "choose a checkpoint and a threshold by"
        raise DataError(source, f"all {len(pairs):,} pairs have label {labels.pop()}: there is nothing to {use}")


def require_fit_for_decision(folder: Path, settings: SimilarityV0) -> None:
    """Refuse splits on which the decision could not be found honestly; folder: that of prepare.

    A threshold swept on dev where most of dev's pairs are test's is one found on test data, whichever text of a pair
    comes first and however it is written (`Fingerprints.normal_pairs_N`). A calibration is fitted on parts of dev,
    each of which needs both labels.
    """
    dev = folder / "dev.csv"
    dev_prints, test_prints = fingerprints(iter_pairs(dev)), fingerprints(iter_pairs(folder / "test.csv"))
    rarest = min(int((dev_prints.label_N == label).sum()) for label in (0, 1))
    if settings.calibration != "none" and rarest < 2:
        raise DataError(dev, f"a calibration needs at least 2 pairs of each label, found {rarest} of one")
    is_found = settings.threshold == "sweep" or settings.calibration != "none"
    in_test = found_in(dev_prints.normal_pairs_N, distinct(test_prints.normal_pairs_N))
    if not is_found or not in_test.any():
        return
    shared = f"{in_test.sum():,} of its {len(in_test):,} pairs are pairs of test.csv, order, case and white space aside"
    if in_test.mean() > MAX_TEST_OVERLAP:
        raise DataError(
            dev, f"{shared}: a threshold or a calibration found on test data is refused; give other dev pairs, or take "
            "a fixed cut with threshold=half and calibration=none",
        )  # fmt: skip
    log.warning("%s: %s, so its metrics are slightly optimistic", dev, shared)
