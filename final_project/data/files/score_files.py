"""Files of predicted scores: `id,<names>`, plain numbers of at most six decimals, LF."""

from __future__ import annotations

import contextlib
import csv
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from final_project.artifacts import write_atomic
from final_project.data.files.quoted_rows import quoted_rows
from final_project.errors import ArtifactError, DataError

DECIMALS = 6
Add = Callable[[Sequence[str], np.ndarray], None]
"""(ids, values_NC): write the next N rows."""


@contextlib.contextmanager
def scores_writer(path: Path, names: Sequence[str], id_column: str = "id") -> Iterator[Add]:
    """Yield a function that appends rows; the file is there, whole, when the block has ended without an error. Raises
    ArtifactError at a value that is not finite."""
    with write_atomic(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([id_column, *names])

        def add(ids: Sequence[str], values_NC: np.ndarray) -> None:
            for name, values in zip(ids, values_NC.tolist(), strict=True):
                if not np.isfinite(values).all():
                    raise ArtifactError(f"{path}: not written: row {name!r} has a score that is not finite")
                writer.writerow([name, *map(plain, values)])

        yield add


def write_scores_csv(
    path: Path, ids: Sequence[str], names: Sequence[str], values_NC: np.ndarray, id_column: str = "id"
) -> None:
    with scores_writer(path, names, id_column) as add:
        add(ids, values_NC)


def plain(value: float) -> str:
    """A number with one to six decimals and no exponent."""
    whole, _, decimals = f"{value:.{DECIMALS}f}".partition(".")
    return f"{whole}.{decimals.rstrip('0') or '0'}"


def read_scores_csv(path: Path, names: Sequence[str]) -> np.ndarray:
    """(N, C) float64 of a file that write_scores_csv wrote, in its order. Raises DataError with file and line."""
    rows = quoted_rows(path, ",")
    line, header = next(rows)
    if header[1:] != list(names):
        raise DataError(path, f"expected the columns id,{','.join(names)}, found {','.join(header)[:60]!r}", line)
    values = []
    for line, cells in rows:
        try:
            values.append([float(cell) for cell in cells[1:]])
        except ValueError as error:
            raise DataError(path, f"expected numbers: {error}", line) from error
    return np.array(values, dtype=np.float64).reshape(len(values), len(names))
