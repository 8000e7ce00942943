"""Rows of a Parquet file, a batch at a time, so that memory does not grow with the file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from final_project.errors import DataError, first_line

MAGIC = b"PAR1"
ROWS_AT_A_TIME = 4096


def is_parquet(path: Path) -> bool:
    """Whether the file begins as Parquet files do; False where it cannot be read."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def parquet_rows(path: Path, columns: tuple[str, ...]) -> Iterator[tuple[int, dict[str, Any]]]:
    """(row number from 1, its values by column), of those of the named columns that the file has.

    Raises DataError where the file is damaged or has no row.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    number = 0
    try:
        with pq.ParquetFile(path) as file:
            found = [name for name in columns if name in file.schema_arrow.names]
            for batch in file.iter_batches(ROWS_AT_A_TIME, columns=found):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except (pa.ArrowException, OSError) as error:
        raise DataError(path, f"not a readable Parquet file: {first_line(error)}") from error
    if number == 0:
        raise DataError(path, "the file holds no row")
