"""Files of predictions: `row,probability,label` with the row number from 0, P(1), and the decided label."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from final_project.artifacts import write_atomic
from final_project.errors import ArtifactError

COLUMNS = ("row", "probability", "label")
Add = Callable[[np.ndarray, np.ndarray], None]
"""(probabilities_N, labels_N): write the next N rows."""


def require_known_form(path: Path) -> None:
    if path.suffix.lower() not in (".csv", ".parquet"):
        raise ArtifactError(
            f"{path}: predictions are written as .csv or .parquet, found {path.suffix or 'no ending'!r}"
        )


@contextlib.contextmanager
def prediction_writer(path: Path) -> Iterator[Add]:
    """Yield a function that appends rows; the file is there, whole, when the block has ended without an error. Raises
    ArtifactError at a probability that is not finite."""
    is_csv = path.suffix.lower() != ".parquet"
    with write_atomic(path, "w" if is_csv else "wb") as file, (_csv if is_csv else _parquet)(file) as add_numbered:
        n_rows = 0

        def add(probabilities_N: np.ndarray, labels_N: np.ndarray) -> None:
            nonlocal n_rows
            if not (finite_N := np.isfinite(probabilities_N)).all():
                raise ArtifactError(
                    f"{path}: not written: row {n_rows + int(finite_N.argmin())} has no finite probability"
                )
            add_numbered(range(n_rows, n_rows + len(labels_N)), probabilities_N, labels_N)
            n_rows += len(labels_N)

        yield add


def write_predictions(path: Path, probabilities_N: np.ndarray, labels_N: np.ndarray) -> None:
    with prediction_writer(path) as add:
        add(probabilities_N, labels_N)


@contextlib.contextmanager
def _csv(file) -> Iterator[Callable]:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(COLUMNS)

    def add(numbers: range, probabilities_N: np.ndarray, labels_N: np.ndarray) -> None:
        columns = zip(numbers, probabilities_N.tolist(), labels_N.tolist(), strict=True)
        writer.writerows((number, f"{probability:.9f}", int(label)) for number, probability, label in columns)

    yield add


@contextlib.contextmanager
def _parquet(file) -> Iterator[Callable]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema(list(zip(COLUMNS, (pa.int64(), pa.float64(), pa.int8()), strict=True)))
    with pq.ParquetWriter(file, schema) as writer:

        def add(numbers: range, probabilities_N: np.ndarray, labels_N: np.ndarray) -> None:
            arrays = [np.asarray(numbers), probabilities_N.round(9), labels_N.astype(np.int8)]
            writer.write_table(pa.table(arrays, schema=schema))

        yield add
