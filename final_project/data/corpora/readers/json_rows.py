"""Rows as JSON objects: one a line, or all in one array."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from final_project.data.corpora.readers.columns import RawRow
from final_project.data.files.column_names import label_keys, listed, require_sentence_keys
from final_project.data.files.contest import iter_json_lines, parse_object
from final_project.data.files.lines import MAX_LINE_BYTES, read_lines
from final_project.data.texts import EMPTY, why_no_text
from final_project.errors import DataError

MARKS = re.compile(r'\\.|["{}]')


def read_json_rows(path: Path) -> Iterator[RawRow]:
    """The rows of a file of objects, by the names of their keys; other keys are passed over."""
    _, first = next(read_lines(path))
    for line, row in _iter_array(path) if first.lstrip().startswith("[") else iter_json_lines(path):
        sentence1, sentence2 = (_sentence(path, line, row, key) for key in require_sentence_keys(path, line, row))
        yield line, sentence1, sentence2, _label(path, line, row)


def _iter_array(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line on which it begins, object) of every element of an array; one element is in memory at a time.

    Braces outside strings show where an element ends; json then reads it. One comma separates elements.
    """
    held: list[str] = []
    begin = depth = n_held = 0
    between, expected = "", "["
    for line, text in read_lines(path):
        rest, in_string = 0, False  # a string does not run over lines
        for mark in MARKS.finditer(text):
            if mark[0] == '"':
                in_string = not in_string
            elif mark[0] == "{" and not in_string:
                if depth == 0:
                    between += text[rest : mark.start()]
                    if between.strip() != expected:
                        raise _not_an_array(path, line, expected, between)
                    between, expected = "", ","
                    begin, rest = line, mark.start()
                depth += 1
            elif mark[0] == "}" and not in_string and depth:
                depth -= 1
                if depth == 0:
                    yield begin, parse_object(path, begin, "\n".join([*held, text[rest : mark.end()]]))
                    held, n_held, rest = [], 0, mark.end()
        if depth:
            held.append(text[rest:])
            n_held += len(held[-1])
            if n_held > MAX_LINE_BYTES:
                raise DataError(path, f"an object begins here; no end after {MAX_LINE_BYTES:,} characters", begin)
        else:
            between = (between + text[rest:]).strip()
            if len(between) > 1:
                raise _not_an_array(path, line, expected, between)
    if depth:
        raise DataError(path, "an object begins here and never ends", begin)
    if between != "]":
        raise DataError(path, f"the array never ends: expected ], found {between[:30] or 'nothing'}", line)


def _not_an_array(path: Path, line: int, expected: str, found: str) -> DataError:
    return DataError(path, f"broken array: expected {expected} and an object, found {found.strip()[:30]!r}", line)


def _sentence(path: Path, line: int, row: dict[str, Any], key: str) -> str:
    """An empty one is none of this reader's faults: rows that are dropped for their label may have it."""
    fault = why_no_text(row[key])
    if fault and fault != EMPTY:
        raise DataError(path, f"{listed([key])} {fault}", line)
    return row[key]


def _label(path: Path, line: int, row: dict[str, Any]) -> str | None:
    found = label_keys(tuple(row))
    if not found:
        return None
    if len(found) > 1:
        raise DataError(path, f"expected one label, found {' and '.join(found)}", line)
    value = row[found[0]]
    if isinstance(value, bool) or not isinstance(value, (str, int, type(None))):
        raise DataError(path, f"{found[0]} must be a string or a whole number, found {str(value)[:30]}", line)
    return "" if value is None else str(value).strip()
