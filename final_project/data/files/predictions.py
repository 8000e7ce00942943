"""Files of predictions, written and read: `row,probability,label` with the row number from 0, P(1), and the decision.

read_predictions reads the CSV that write_predictions wrote; read_prediction_file also other tools' files, whose rows
have ids and any order.
"""

from __future__ import annotations

import contextlib
import csv
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from final_project.artifacts import write_atomic
from final_project.data.files.csv_rows import csv_rows
from final_project.data.files.label_reading import LabelReader, first_lines
from final_project.data.files.open_rows import open_rows
from final_project.errors import ArtifactError, DataError
from final_project.settings.reading import Labels

COLUMNS = ("row", "probability", "label")
ID_COLUMNS = ("row", "id")  # accepted names of the column that identifies a row
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


def read_predictions(path: Path) -> tuple[np.ndarray, np.ndarray]:
    """P(1) and decisions, (N,) each, of a CSV that write_predictions wrote. Raises DataError with file and line."""
    probabilities, decisions = [], []
    with path.open(encoding="utf-8", newline="") as file:
        for line, row in enumerate(csv.DictReader(file), start=2):
            try:
                probability, decision = float(row["probability"]), int(row["label"])
            except (KeyError, TypeError, ValueError) as error:
                raise DataError(path, f"expected the columns {', '.join(COLUMNS)}, all numbers", line) from error
            if not 0 <= probability <= 1:
                raise DataError(path, f"expected a probability from 0 to 1, found {row['probability']}", line)
            probabilities.append(probability)
            decisions.append(decision)
    return np.array(probabilities, dtype=np.float64), np.array(decisions, dtype=np.int64)


@dataclass(frozen=True)
class PredictionFile:
    """Predictions of rows in any order. ids: values of the column id_column, in file order. probabilities_B: P(1)."""

    path: Path
    id_column: str
    ids: list[str]
    probabilities_B: np.ndarray


def read_prediction_file(path: Path) -> PredictionFile:
    """Read a CSV or Parquet file with row or id, and probability, in any order of rows; other columns are ignored.

    Raises DataError with file and line on the first fault.
    """
    rows = _parquet_rows(path) if path.suffix.lower() == ".parquet" else csv_rows(path)
    line, header = next(rows)
    names = [name.strip().lower() for name in header]
    id_column = next((name for name in ID_COLUMNS if name in names), None)
    if id_column is None or "probability" not in names:
        raise DataError(
            path, f"expected a header with row or id, and probability, found {','.join(header)[:60]!r}", line
        )
    probabilities: dict[str, float] = {}
    for line, name, text in _by_id(path, rows, names, id_column, "probability"):
        if not is_finite_number(text) or not 0 <= float(text) <= 1:
            raise DataError(path, f"expected a probability from 0 to 1, found {text[:40]!r}", line)
        probabilities[name] = float(text)
    if not probabilities:
        raise DataError(path, "a header and no rows", line)
    return PredictionFile(path, id_column, list(probabilities), np.array(list(probabilities.values())))


def read_labels_by_id(path: Path, rules: Labels | None = None) -> dict[str, int] | None:
    """The labels of a table by its row or id; None if the file has no such columns (a file of pairs).

    rules: what they mean where they do not say. Raises DataError with file and line on the first fault.
    """
    file = open_rows(path, _names_labels)
    if file.has_keys or file.names is None:
        return None
    names = _lower(file.names)
    id_column = next(name for name in ID_COLUMNS if name in names)
    rows = [(line, name, text) for line, name, text in _by_id(path, _strict(file.rows), names, id_column, "label")]
    reader = LabelReader(path, rules or Labels(), lambda: first_lines((line, text) for line, _, text in rows))
    labels: dict[str, int] = {}
    for line, name, text in rows:
        label = reader.read(line, text)
        if label is None:
            raise DataError(path, f"label must be {reader.expected}, found {text[:40]!r}", line)
        labels[name] = label
    return labels


def _names_labels(header: Sequence[str]) -> bool:
    names = _lower(header)
    return "label" in names and any(name in names for name in ID_COLUMNS)


def _lower(header: Sequence[str]) -> list[str]:
    return [name.strip("\ufeff").strip().lower() for name in header]


def _strict(rows: Iterator[tuple[int, Any]]) -> Iterator[tuple[int, list[str]]]:
    for line, row in rows:
        if isinstance(row, DataError):
            raise row
        yield line, row


def _by_id(
    path: Path, rows: Iterator[tuple[int, list[str]]], names: list[str], id_column: str, column: str
) -> Iterator[tuple[int, str, str]]:
    """(line, id, text of the column) of each row. Raises DataError at a row of another width or a repeated id."""
    id_at, value_at = names.index(id_column), names.index(column)
    lines: dict[str, int] = {}
    for line, columns in rows:
        if len(columns) != len(names):
            raise DataError(path, f"expected {len(names)} columns, found {len(columns)}", line)
        name = columns[id_at].strip()
        if name in lines:
            raise DataError(
                path, f"{id_column} {' '.join(name.split())[:40]} again; the first is on line {lines[name]}", line
            )
        lines[name] = line
        yield line, name, columns[value_at]


def _parquet_rows(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Rows in the form of csv_rows; the header is line 1."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        table = pq.read_table(path)
    except (OSError, pa.ArrowException) as error:
        raise DataError(path, f"cannot read: {error}") from error
    yield 1, table.column_names
    for number, values in enumerate(zip(*(column.to_pylist() for column in table.columns), strict=True), start=2):
        yield number, [str(value) for value in values]


def is_finite_number(text: str) -> bool:
    try:
        return math.isfinite(float(text)) and text.isascii() and "_" not in text  # Python reads 0_5 as 5
    except ValueError:
        return False
