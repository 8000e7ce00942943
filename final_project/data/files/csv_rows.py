"""Rows of CSV (RFC 4180 quotes), between commas or another separator, with the line on which each begins."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

from final_project.data.files.lines import MAX_LINE_BYTES, raw_lines
from final_project.errors import DataError

Row = tuple[int, list[str]]


def csv_rows(path: Path, separator: str = ",") -> Iterator[Row]:
    """(line on which the row begins, its columns). Blank lines between rows are passed over. Raises DataError with
    file and line on the first fault."""
    for line, columns in csv_rows_and_faults(path, separator):
        if isinstance(columns, DataError):
            raise columns
        yield line, columns


def csv_rows_and_faults(path: Path, separator: str) -> Iterator[tuple[int, list[str] | DataError]]:
    """`csv_rows`, with what is wrong with a row in its place. Lines are joined as the quotes say; csv itself would lose
    the number of the line where an unclosed quote began."""
    csv.field_size_limit(2 * MAX_LINE_BYTES)  # by default 131,072 characters, which an article may exceed
    held: list[str] = []
    begin, n_held, is_open, any_text = 0, 0, False, False
    for line, text in raw_lines(path):
        if not is_open:
            if not text.strip():
                continue
            begin, held, n_held, any_text = line, [], 0, True
        held.append(text)
        is_open ^= text.count('"') % 2 == 1
        if is_open:
            n_held += len(text)
            if n_held > MAX_LINE_BYTES:
                raise DataError(path, f"a quote opens here; not closed after {MAX_LINE_BYTES:,} characters", begin)
            continue
        lines = ["\n".join(held).removesuffix("\r")]
        try:
            columns: list[str] | DataError = next(csv.reader(lines, strict=True, delimiter=separator))
        except csv.Error as error:
            columns = DataError(path, f"not a CSV row: {error}", begin)
        yield begin, columns
    if is_open:
        yield begin, DataError(path, "a quote opens here and is never closed", begin)
    if not any_text:
        raise DataError(path, "the file holds no text")
