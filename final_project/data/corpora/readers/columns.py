"""Rows of columns: TSV without quoting, CSV with RFC 4180 quotes, or another separator; with or without a header."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from final_project.data.files.column_names import is_header, named_columns, normal_name
from final_project.data.files.csv_rows import Row, csv_rows
from final_project.data.files.forms import SEPARATORS
from final_project.data.files.lines import read_lines
from final_project.errors import DataError

# line, first sentence, second sentence, label as the file has it; None where the file has no labels
RawRow = tuple[int, str, str, "str | None"]

SEPARATOR_NAMES = {"\t": "tab-separated", **SEPARATORS}


@dataclass(frozen=True)
class Layout:
    """Which of a row's columns, from 0, hold what; `id` is a column of digits."""

    n_columns: int
    sentence1: int
    sentence2: int
    label: int | None = None
    id: int | None = None

    def fits(self, columns: list[str], is_label: Callable[[str], bool]) -> bool:
        return (
            len(columns) == self.n_columns
            and (self.label is None or is_label(columns[self.label].strip()))
            and (self.id is None or columns[self.id].strip().isdecimal())
        )


SENTENCES = Layout(2, 0, 1)
SENTENCES_LABEL = Layout(3, 0, 1, label=2)
LABEL_SENTENCES = Layout(3, 1, 2, label=0)
ID_SENTENCES = Layout(3, 1, 2, id=0)
ID_SENTENCES_LABEL = Layout(4, 1, 2, label=3, id=0)
NAME_SENTENCES_LABEL = Layout(4, 1, 2, label=3)


def read_columns(
    path: Path, separator: str, layouts: tuple[Layout, ...], is_label: Callable[[str], bool]
) -> Iterator[RawRow]:
    """The rows of a file, by the names in its header or, where it has none, by the layout that its content fits."""
    kind = SEPARATOR_NAMES.get(separator, f"{separator}-separated")
    rows = _rows(path, separator)
    line, first = next(rows)
    layout = _named_layout(first, is_label)
    names = [*map(normal_name, first)] if layout else None
    if layout is None:
        if separator in SEPARATORS:
            found = ",".join(first)[:60]
            raise DataError(path, f"expected a header such as sentence1,sentence2,label, found {found!r}", line)
        layout = _fitting_layout(path, _rows(path, separator), layouts, is_label, kind)
        rows = _rows(path, separator)
    any_row = False
    for line, columns in rows:
        any_row = True
        if len(columns) != layout.n_columns:
            raise DataError(path, f"expected {layout.n_columns} {kind} columns, found {len(columns)}", line)
        if layout.label is None and is_header(columns) and (names is None or [*map(normal_name, columns)] == names):
            raise DataError(path, f"a header between rows, {','.join(columns)[:60]!r}: leave it out", line)
        if layout.id is not None and not columns[layout.id].strip().isdecimal():
            raise DataError(
                path, f"expected a number in column {layout.id + 1}, found {columns[layout.id][:30]!r}", line
            )
        label = None if layout.label is None else columns[layout.label].strip()
        yield line, columns[layout.sentence1], columns[layout.sentence2], label
    if not any_row:
        raise DataError(path, "a header and no rows", line)


def _rows(path: Path, separator: str) -> Iterator[Row]:
    if separator in SEPARATORS:
        return csv_rows(path, separator)
    return ((line, text.split(separator)) for line, text in read_lines(path))


def _named_layout(header: list[str], is_label: Callable[[str], bool]) -> Layout | None:
    """The layout that a header names; None where the row is a pair: sentences may read like names, and what has a
    label in their place behind them is no header."""
    found = named_columns(header)
    if found is None or (
        found.label is None and len(header) == 3 and header[2].strip() and is_label(header[2].strip())
    ):
        return None
    return Layout(len(header), found.sentence1, found.sentence2, found.label)


def _fitting_layout(
    path: Path, rows: Iterator[Row], layouts: tuple[Layout, ...], is_label: Callable[[str], bool], kind: str
) -> Layout:
    """The first layout that fits every row; looks no further than until one is left.

    Where none fits, one of the first row's width, so that reading by it stops at the row that is wrong.
    """
    line, first = next(rows)
    left = tuple(layout for layout in layouts if layout.n_columns == len(first))
    if not left:
        widths = " or ".join(str(width) for width in sorted({layout.n_columns for layout in layouts}))
        raise DataError(path, f"expected {widths} {kind} columns, found {len(first)}", line)
    for _, columns in itertools.chain(((line, first),), rows):
        left = tuple(layout for layout in left if layout.fits(columns, is_label)) or left[:1]
        if len(left) == 1:
            break
    return left[0]
