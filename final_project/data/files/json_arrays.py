"""Rows as JSON objects, one a line or all in one array: a large array is read as a stream, one object at a time."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from final_project.data.files.contest import iter_json_lines, parse_object
from final_project.data.files.lines import MAX_LINE_BYTES, read_lines
from final_project.errors import DataError

MARKS = re.compile(r'\\.|["{}]')


def is_array(first: str) -> bool:
    """Whether the first line of a JSON file opens an array."""
    return first.lstrip("\ufeff \t").startswith("[")


def iter_objects(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line on which it begins, object) of every row. Raises DataError with file and line."""
    _, first = next(read_lines(path))
    return iter_array(path) if is_array(first) else iter_json_lines(path)


def iter_array(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line on which it begins, object) of every element of an array; one element is in memory at a time.

    Braces outside strings tell where an element ends; json then reads it. Between elements stands one comma.
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
