"""Any file of rows, opened: TSV, CSV, JSONL, a JSON array, Parquet or Excel, in the encodings of encodings.py.

Rows come as they stand, by the place or the key of their columns; which column is what, and what its values mean, is
for the reader of pairs (tables.py), or of other rows, to say. A row that cannot be read comes as the DataError that
says so, so that one reader can stop there and another go on.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from final_project.data.files.column_names import normal_name
from final_project.data.files.contest import iter_json_lines, parse_object
from final_project.data.files.csv_rows import csv_rows_and_faults
from final_project.data.files.encodings import encoding_of
from final_project.data.files.excel import excel_rows, is_excel
from final_project.data.files.forms import SEPARATORS, csv_separator, is_json
from final_project.data.files.json_arrays import iter_array
from final_project.data.files.lines import read_lines
from final_project.data.files.parquet import is_parquet, parquet_names, parquet_rows
from final_project.errors import DataError

Row = Sequence[Any] | Mapping[str, Any]  # a column by its place, from 0, or by its key
NamesColumns = Callable[[Sequence[str]], bool]
TSV, CSV, JSONL, JSON_ARRAY, PARQUET, EXCEL = "TSV", "CSV", "JSONL", "JSON array", "Parquet", "Excel"


OPENS_OBJECTS = re.compile(r"\s*\[\s*(?:\{|$)")  # an array of anything else is no file of rows


@dataclass(frozen=True)
class RowFile:
    """A file of rows.

    form: one of the names above. names: those of the header, of Parquet's columns, or of the keys of the first JSON
    object; None where a table has no header. first: the first row of a table as it stands, header or not. kind: its
    columns, as a message calls them. rows: (line from 1, or number of the row where the form has no lines; the row, or
    what is wrong with it).
    """

    path: Path
    form: str
    names: tuple[str, ...] | None
    first: tuple[str, ...]
    first_line: int
    kind: str
    rows: Iterator[tuple[int, Row | DataError]]

    @property
    def has_keys(self) -> bool:
        """Whether rows are objects, each with keys of its own."""
        return self.form in (JSONL, JSON_ARRAY, PARQUET)

    @property
    def encoding(self) -> str:
        """As encodings.py calls it; empty where the form has its own."""
        return "" if self.form in (PARQUET, EXCEL) else encoding_of(self.path)


def open_rows(
    path: Path, names_columns: NamesColumns, wanted: Callable[[Sequence[str]], Sequence[str]] = lambda names: names
) -> RowFile:
    """Open a file by its content. names_columns: whether the first row of a table is a header. wanted: which of
    Parquet's columns are read, of all.

    Raises DataError with file and line where it cannot be read at all, or has a header and no rows.
    """
    if is_parquet(path):
        names = parquet_names(path)
        return RowFile(path, PARQUET, tuple(names), (), 1, "", parquet_rows(path, wanted))
    if is_excel(path):
        return _table(path, EXCEL, "", excel_rows(path), names_columns)
    _, first = next(read_lines(path))
    if is_json(first):
        return _objects(path, first)
    separator = csv_separator(path, first, names_columns)
    if separator is not None:
        return _table(path, CSV, SEPARATORS[separator], csv_rows_and_faults(path, separator), names_columns)
    rows = ((line, text.split("\t")) for line, text in read_lines(path))
    return _table(path, TSV, "tab-separated", rows, names_columns)


def _table(
    path: Path, form: str, kind: str, rows: Iterator[tuple[int, list[str] | DataError]], names_columns: NamesColumns
) -> RowFile:
    line, first = next(rows)
    if isinstance(first, DataError):
        raise first
    if not names_columns(first):
        every = itertools.chain(((line, first),), rows)
        return RowFile(path, form, None, tuple(first), line, kind, _of_width(path, every, len(first), kind))
    below = _of_width(path, _below(path, line, first, rows), len(first), kind)
    return RowFile(path, form, tuple(name.strip("\ufeff") for name in first), tuple(first), line, kind, below)


def _below(
    path: Path, line: int, header: Sequence[str], rows: Iterator[tuple[int, list[str] | DataError]]
) -> Iterator[tuple[int, list[str] | DataError]]:
    """The rows below a header: at least one, and none is the header again, as where files were joined."""
    first, names = header[0].strip("\ufeff"), [*map(normal_name, header)]
    below = next(rows, None)
    if below is None:
        raise DataError(path, "a header and no rows", line)
    for number, columns in itertools.chain((below,), rows):
        if isinstance(columns, list) and columns[0].strip("\ufeff") == first and [*map(normal_name, columns)] == names:
            fault = f"the header of line {line} again: leave it out where files are joined"
            yield number, DataError(path, fault, number)
        else:
            yield number, columns


def _of_width(
    path: Path, rows: Iterator[tuple[int, list[str] | DataError]], width: int, kind: str
) -> Iterator[tuple[int, Row | DataError]]:
    for line, columns in rows:
        if isinstance(columns, list) and len(columns) != width:
            said = f"{width} {kind}".strip()
            fault = f"expected {said} columns, found {len(columns)}{line_ends(columns)}"
            yield line, DataError(path, fault, line)
        else:
            yield line, columns


def line_ends(columns: Sequence[str]) -> str:
    return " (lines end in a bare CR: expected LF or CRLF)" if any("\r" in column for column in columns) else ""


def _objects(path: Path, first: str) -> RowFile:
    """Rows of JSON; the names are the keys of the first one."""
    form = JSON_ARRAY if OPENS_OBJECTS.match(first) else JSONL
    line, row = next(iter_array(path) if form == JSON_ARRAY else iter_json_lines(path), (1, {}))
    rows = iter_array(path) if form == JSON_ARRAY else _lines_of_objects(path)
    return RowFile(path, form, tuple(row), (), line, "", rows)


def _lines_of_objects(path: Path) -> Iterator[tuple[int, Row | DataError]]:
    for line, text in read_lines(path):
        try:
            row: Row | DataError = parse_object(path, line, text)
        except DataError as error:
            row = error
        yield line, row
