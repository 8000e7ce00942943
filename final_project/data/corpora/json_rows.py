"""Rows as JSON objects: one a line, or all in one array."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from final_project.data.contest import iter_json_lines
from final_project.data.corpora.names import LABEL, SENTENCE1, SENTENCE2, RawRow
from final_project.errors import DataError


def read_json_rows(path: Path) -> Iterator[RawRow]:
    """The rows of a JSON file, by the names of their keys."""
    for line, row in iter_json_lines(path):
        yield (
            line,
            _sentence(path, line, row, SENTENCE1),
            _sentence(path, line, row, SENTENCE2),
            _label(path, line, row),
        )


def _sentence(path: Path, line: int, row: dict[str, Any], names: tuple[str, ...]) -> str:
    name = next((name for name in names if name in row), None)
    if name is None:
        raise DataError(path, f"missing key {names[0]!r}; found {', '.join(row)[:60] or 'no key'}", line)
    value = row[name]
    if not isinstance(value, str):
        raise DataError(path, f"{name} must be a string, found {type(value).__name__}", line)
    return value


def _label(path: Path, line: int, row: dict[str, Any]) -> str | None:
    found = [name for name in LABEL if name in row]
    if not found:
        return None
    value = row[found[0]]
    return "" if value is None else str(value)
