"""Rows of a Parquet file, a batch at a time, so that memory does not grow with the file."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from final_project.errors import DataError, first_line

MAGIC = b"PAR1"
LOOKED_AT = 64  # bytes
NO_TEXT = re.compile(rb"[\x00-\x08\x0e-\x1f]")
ROWS_AT_A_TIME = 4096


def is_parquet(path: Path) -> bool:
    """Whether the file begins as Parquet files do; False where it cannot be read.

    Behind the magic bytes Parquet has binary numbers, and a table of which the first sentence begins with PAR1 text.
    """
    try:
        with path.open("rb") as file:
            head = file.read(LOOKED_AT)
    except OSError:
        return False
    return head.startswith(MAGIC) and (path.suffix.lower() == ".parquet" or NO_TEXT.search(head) is not None)


def parquet_names(path: Path) -> list[str]:
    """The names of a file's columns; raises DataError where it is damaged."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            return list(file.schema_arrow.names)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(path, f"not a readable Parquet file: {first_line(error)}") from error


def parquet_rows(path: Path, columns: Callable[[Sequence[str]], Sequence[str]]) -> Iterator[tuple[int, dict[str, Any]]]:
    """(row number from 1, its values by column), of those of the file's columns that `columns` chooses.

    Raises DataError where the file is damaged or has no row.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            chosen = list(columns(file.schema_arrow.names))
            for batch in file.iter_batches(ROWS_AT_A_TIME, columns=chosen):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pa.ArrowException, OSError, ValueError) as error:
        raise DataError(path, f"not a readable Parquet file: {first_line(error)}") from error
    if number == 0:
        raise DataError(path, "the file holds no row")
