"""Is one file of predictions better than others? The same pairs, so the test is paired.

    python bench/peers/compare.py A.csv B.csv [C.csv ...] --labels dev.csv

They have row and label, the decision, as similarity_v0 and the peers write them. Prints one JSON object with an entry
for each file but the first, by its name without .csv: both accuracies, the first's minus the other's, McNemar's exact
two-sided p (McNemar 1947), and the 95 % interval of the difference over pairs drawn anew (Efron 1979).
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from scipy.stats import binomtest  # noqa: E402

from final_project.cli import print_json, run_main  # noqa: E402
from final_project.data.files.predictions import read_labels_by_id  # noqa: E402
from final_project.errors import DataError, RecipeError  # noqa: E402
from similarity_v0.commands.ensemble import read_labels  # noqa: E402
from similarity_v0.sweep.table import bootstrap_mean_gain  # noqa: E402


def read_decisions(path: Path) -> dict[str, int]:
    """Row -> 0 or 1. Raises DataError with file and line on the first fault."""
    decisions = read_labels_by_id(path)
    if decisions is None:
        raise DataError(path, "expected a CSV file whose header has row and label", 1)
    return decisions


def mcnemar_p(only_first: int, only_second: int) -> float:
    """Two-sided exact p: pairs that one alone decides rightly would fall to either side like a fair coin."""
    n_discordant = only_first + only_second
    return float(binomtest(only_first, n_discordant).pvalue) if n_discordant else 1.0


def compared(first_right_N: np.ndarray, second_right_N: np.ndarray) -> dict[str, float | int | list[float]]:
    only_first = int((first_right_N & ~second_right_N).sum())
    only_second = int((second_right_N & ~first_right_N).sum())
    gain_N = first_right_N.astype(float) - second_right_N
    return {
        "pairs": len(gain_N),
        "accuracy_a": float(first_right_N.mean()),
        "accuracy_b": float(second_right_N.mean()),
        "difference": float(gain_N.mean()),
        "only_a_right": only_first,
        "only_b_right": only_second,
        "mcnemar_p": mcnemar_p(only_first, only_second),
        "difference_95": list(bootstrap_mean_gain(gain_N)),
    }


def compare(arguments: argparse.Namespace) -> None:
    names = [path.stem for path in arguments.others]
    if len(set(names)) < len(names):
        raise RecipeError([f"expected files of different names, found {', '.join(names)}"])
    decisions = read_decisions(arguments.first)
    rows = list(decisions)
    labels_N = read_labels(arguments.labels, rows, arguments.first)
    first_right_N = right_of(decisions, labels_N)
    found = {}
    for name, path in zip(names, arguments.others, strict=True):
        other = read_decisions(path)
        if other.keys() != decisions.keys():
            expected = f"the {len(rows):,} rows of {arguments.first}"
            raise DataError(path, f"expected {expected}, found {len(other):,} or other ones")
        found[name] = compared(first_right_N, right_of({row: other[row] for row in rows}, labels_N))
    print_json(found)


def right_of(decisions: dict[str, int], labels_N: np.ndarray) -> np.ndarray:
    return np.array(list(decisions.values())) == labels_N


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("first", type=Path, metavar="A.csv")
    parser.add_argument("others", type=Path, metavar="B.csv", nargs="+")
    parser.add_argument("--labels", type=Path, required=True, help="the pairs with their labels, in the order of row")
    return run_main(lambda given: compare(parser.parse_args(given)), argv)


if __name__ == "__main__":
    sys.exit(main())
