"""Texts with scores or a label in files: every form in which they come, read into `TextRow`, and the form written.

Read     CSV and TSV with a header (RFC 4180 quotes, which may go over lines), JSONL, Parquet; the content decides.
Written  CSV `id,text,<names of the scores>` or `id,text,label`, and `group` where rows have one: UTF-8, LF, scores by
         the shortest number that reads back the same, unknown ones empty.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from final_project.artifacts import write_atomic
from final_project.data.files.contest import iter_json_lines
from final_project.data.files.forms import is_json
from final_project.data.files.lines import read_lines
from final_project.data.files.parquet import is_parquet, parquet_rows
from final_project.data.files.quoted_rows import quoted_rows
from final_project.data.files.text_columns import GROUP, LABEL, NoColumn, TextColumns, TextPlaces
from final_project.data.records import TextRow
from final_project.data.texts import why_no_text
from final_project.errors import DataError

MOST_CHARACTERS = 1_000_000
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)

Numbered = Iterator[tuple[int, dict[str, Any]]]


def read_text_rows(path: str | Path, columns: TextColumns, may_lack_values: bool = False) -> list[TextRow]:
    return [row for _, row in iter_text_rows(path, columns, may_lack_values)]


def iter_text_rows(
    path: str | Path, columns: TextColumns, may_lack_values: bool = False
) -> Iterator[tuple[int, TextRow]]:
    """(line from 1, row) of a file, in order; of Parquet the number of the row.

    may_lack_values: whether the columns of the scores, or of the label, may all be absent. Raises DataError with file
    and line on the first fault: no such column, an empty text, a value that is none, an id that stands twice.
    """
    path = Path(path)
    lines: dict[str, int] = {}
    found: tuple[tuple[str, ...], TextPlaces] | None = None
    for number, (line, values) in enumerate(_rows(path)):
        keys = tuple(values)
        if found is None or found[0] != keys:
            try:
                found = keys, columns.find(keys, may_lack_values)
            except NoColumn as error:
                raise DataError(path, str(error), line if found else 1) from error
        row = _text_row(path, line, number, values, columns, found[1])
        if row.id in lines:
            raise DataError(
                path, f"the id {row.id[:40]!r} stands here and on line {lines[row.id]}; ids must be unique, or take "
                "the row numbers with prepare.id_column: row", line,
            )  # fmt: skip
        lines[row.id] = line
        yield line, row


def id_column_of(path: Path, columns: TextColumns) -> str | None:
    """The name of the column of ids; None where rows have numbers alone."""
    _, values = next(_rows(path))
    return columns.find(tuple(values), may_lack_values=True).id


def write_text_rows(path: str | Path, rows: Iterable[TextRow], columns: TextColumns, has_groups: bool) -> int:
    """Write rows as CSV; returns their number."""
    count = 0
    with write_atomic(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        quoting_writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        names = [name for name, _ in columns.values]
        writer.writerow(["id", "text", *names, *([GROUP] if has_groups else [])])
        for row in rows:
            values = [row.label or ""] if columns.kind == "labels" else [*map(_shown, row.scores)]
            cells = [row.id, row.text, *values, *([row.group] if has_groups else [])]
            # Python's csv leaves a carriage return bare where lines end in LF
            (quoting_writer if any("\r" in cell for cell in cells) else writer).writerow(cells)
            count += 1
    return count


def _shown(score: float | None) -> str:
    return "" if score is None else repr(score)


def _rows(path: Path) -> Numbered:
    if is_parquet(path):
        yield from parquet_rows(path, lambda names: names)
        return
    _, first = next(read_lines(path))
    if is_json(first):
        yield from iter_json_lines(path)
        return
    separator = "\t" if "\t" in first else ","
    rows = quoted_rows(path, separator)
    line, header = next(rows)
    names = [name.strip().removeprefix("\ufeff") for name in header]
    if twice := [name for name in names if name and names.count(name) > 1]:
        raise DataError(path, f"two columns are called {twice[0]!r}", line)
    below = False
    for line, cells in rows:
        below = True
        if len(cells) != len(names):
            raise DataError(path, f"expected {len(names)} columns, found {len(cells)}", line)
        yield line, dict(zip(names, cells, strict=True))
    if not below:
        raise DataError(path, "a header and no rows", line)


def _text_row(
    path: Path, line: int, number: int, values: dict[str, Any], columns: TextColumns, places: TextPlaces
) -> TextRow:
    text = values[places.text]
    if fault := why_no_text(text):
        raise DataError(path, f"the text {fault}", line)
    if len(text) > MOST_CHARACTERS:
        raise DataError(path, f"a text of {len(text):,} characters; at most {MOST_CHARACTERS:,} are possible", line)
    name = str(number) if places.id is None else _word(path, line, "id", values[places.id])
    if not name:
        raise DataError(path, "the id is empty", line)
    group = "" if places.group is None else _word(path, line, GROUP, values[places.group])
    given = [values[column] for column in places.values]
    if columns.kind == "labels":
        return TextRow(name, text, label=_label(path, line, given, columns.names), group=group)
    names = [name for name, _ in columns.values]
    if not given:
        return TextRow(name, text, (None,) * len(names), group=group)
    scores = [_score(path, line, *pair, columns) for pair in zip(names, given, strict=True)]
    return TextRow(name, text, tuple(scores), group=group)


def _word(path: Path, line: int, what: str, value: Any) -> str:
    """An id or a group: text, or a whole number."""
    if isinstance(value, bool) or not isinstance(value, (str, int, type(None))):
        raise DataError(path, f"{what}: expected text, found {value!r}", line)
    text = "" if value is None else str(value).strip()
    if text and (fault := why_no_text(text)):
        raise DataError(path, f"the {what} {fault}", line)
    return text


def _label(path: Path, line: int, given: Sequence[Any], names: tuple[str, ...]) -> str | None:
    label = _word(path, line, LABEL, given[0]) if given else ""
    if label and names and label not in names:
        raise DataError(path, f"label: {label[:40]!r} is none of the {len(names)} of targets.names", line)
    return label or None


def _score(path: Path, line: int, name: str, value: Any, columns: TextColumns) -> float | None:
    """A number on the scale; None where nothing is given."""
    if value is None or (isinstance(value, str) and not value.strip()):
        return None
    text = value.strip() if isinstance(value, str) else repr(value)
    score = float(text) if NUMBER.fullmatch(text) and not isinstance(value, bool) else float("nan")
    if not columns.low <= score <= columns.high:
        found = f"found {text[:40]!r}" if isinstance(value, str) else f"found {text[:40]}"
        raise DataError(path, f"{name}: expected a number from {columns.low:g} to {columns.high:g}, {found}", line)
    return score
