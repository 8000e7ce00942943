"""The `ensemble` command: files of predictions of the same rows in, one file of predictions out.

A file has a header with `row` or `id`, and `probability`, P(1); other columns are passed over. Rows are matched by
their number or id, in any order. Weights and a threshold are found on the labels given as --gold: those
of dev, or of train for out-of-fold predictions; for test they are taken over from there with --weights and --threshold.
"""

from __future__ import annotations

import argparse
import csv
import math
from pathlib import Path
from typing import Any

import numpy as np

from final_project.artifacts import write_atomic
from final_project.cli import print_json
from final_project.commands.reading_options import add_reading_arguments, how_from
from final_project.data.files.how_to_read import AS_NAMED, HowToRead
from final_project.data.files.predictions import (
    PredictionFile,
    is_finite_number,
    read_labels_by_id,
    read_prediction_file,
)
from final_project.data.files.tables import read_and_log_pairs
from final_project.errors import DataError, RecipeError
from similarity_v0.decision.scores import scores_of
from similarity_v0.decision.threshold import best_threshold
from similarity_v0.folds.ensemble_methods import METHODS, combined, fitted_weights
from similarity_v0.splits import is_test_file


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--predictions", type=Path, nargs="+", required=True, metavar="FILE",
                        help="two or more files of predictions of the same rows: CSV or Parquet")  # fmt: skip
    parser.add_argument(
        "--method", choices=METHODS, default="mean", help="how the predictions are combined (default: mean)"
    )
    parser.add_argument("--weights", type=float, nargs="+", metavar="W",
                        help="one weight per file (--method weighted); without it found on --gold")  # fmt: skip
    parser.add_argument("--gold", type=Path, help="labels: pairs in the order of the row numbers, or CSV row,label")
    parser.add_argument("--threshold", default="0.5",
                        help="label 1 from this probability on; sweep = the best for accuracy on --gold")  # fmt: skip
    parser.add_argument("--output", type=Path, required=True, help="CSV to write: row,probability,label")
    add_reading_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """One prediction a row from several files of predictions; where --gold is given, its scores to standard output."""
    check(arguments)
    files = [read_prediction_file(path) for path in arguments.predictions]
    ids = files[0].ids
    p_MB = [in_order(file, ids, files[0].path) for file in files]
    labels_B = None if arguments.gold is None else read_labels(arguments.gold, ids, files[0].path, how_from(arguments))
    weights = arguments.weights
    if arguments.method == "weighted" and weights is None:
        assert labels_B is not None, "check() requires --gold here"
        weights = fitted_weights(p_MB, labels_B).tolist()
    p_B = combined(arguments.method, p_MB, weights)
    if arguments.threshold == "sweep":
        assert labels_B is not None, "check() requires --gold here"
        threshold = best_threshold(p_B, labels_B)[0]
    else:
        threshold = float(arguments.threshold)
    decided_B = (p_B >= threshold).astype(int)
    with write_atomic(arguments.output) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([files[0].id_column, "probability", "label"])
        writer.writerows(
            (name, f"{p:.9f}", label) for name, p, label in zip(ids, p_B.tolist(), decided_B.tolist(), strict=True)
        )
    answer: dict[str, Any] = {"rows": len(ids), "files": len(files), "method": arguments.method}
    answer |= {"weights": weights, "threshold": threshold, "positive": int(decided_B.sum())}
    print_json(answer | ({} if labels_B is None else scores_of(p_B, labels_B, threshold)))


def check(arguments: argparse.Namespace) -> None:
    """Raises RecipeError with all that is wrong in how the command was called."""
    n_files, weights, problems = len(arguments.predictions), arguments.weights, []
    if n_files < 2:
        problems.append("--predictions: an ensemble takes two files or more, found one")
    if weights is not None:
        if arguments.method != "weighted":
            problems.append(f"--weights belong to --method weighted, found --method {arguments.method}")
        if len(weights) != n_files:
            problems.append(f"--weights: expected {n_files}, one a file, found {len(weights)}")
        if not all(w >= 0 for w in weights) or not math.isclose(sum(weights), 1, abs_tol=1e-6):
            problems.append(f"--weights: expected numbers from 0 on that sum to 1, found {weights}")
    if arguments.threshold != "sweep" and not is_finite_number(arguments.threshold):
        problems.append(f"--threshold: expected a number or sweep, found {arguments.threshold!r}")
    found = ["weights"] * (arguments.method == "weighted" and weights is None)
    found += ["a threshold"] * (arguments.threshold == "sweep")
    if found and arguments.gold is None:
        problems.append(f"{' and '.join(found)} can only be found on labels: give them with --gold")
    elif found and (of_test := [path for path in (arguments.gold, *arguments.predictions) if is_test_file(path)]):
        problems.append(
            f"{of_test[0]}: test data must not choose {' and '.join(found)}: find them on dev or on out-of-fold "
            "predictions, then give them with --weights and --threshold"
        )
    if problems:
        raise RecipeError(problems)


def in_order(file: PredictionFile, ids: list[str], of: Path) -> np.ndarray:
    """The file's probabilities in the order of `ids`. Raises DataError where it has other rows than the file `of`."""
    place = {name: at for at, name in enumerate(file.ids)}
    _require_same(file.path, place, ids, of, file.id_column)
    return file.probabilities_B[[place[name] for name in ids]]


def read_labels(path: Path, ids: list[str], of: Path, how: HowToRead = AS_NAMED) -> np.ndarray:
    """The labels of these rows, (B,): from a CSV with row or id and label, or from pairs, by the number of the row."""
    labels = None if how.columns else read_labels_by_id(path, how.labels)
    if labels is None:
        pairs = enumerate(read_and_log_pairs(path, labelled=True, how=how))
        labels = {str(row): pair.label for row, pair in pairs if pair.label is not None}
    _require_same(path, labels, ids, of, "row")
    return np.array([labels[name] for name in ids])


def _require_same(path: Path, found: dict[str, Any], ids: list[str], of: Path, column: str) -> None:
    if missing := [name for name in ids if name not in found]:
        raise DataError(path, f"{len(missing):,} rows of {of} are missing, the first of them {column} {missing[0]}")
    if len(found) > len(ids):
        known = set(ids)
        extra = [name for name in found if name not in known]
        raise DataError(path, f"{len(extra):,} rows are not in {of}, the first of them {column} {extra[0]}")
