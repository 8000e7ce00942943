"""Rows as JSON objects: one a line, or all in one array."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from final_project.data.corpora.readers.columns import RawRow
from final_project.data.files.column_names import label_keys, listed, require_sentence_keys
from final_project.data.files.json_arrays import iter_objects
from final_project.data.texts import EMPTY, why_no_text
from final_project.errors import DataError


def read_json_rows(path: Path) -> Iterator[RawRow]:
    """The rows of a file of objects, by the names of their keys; other keys are passed over."""
    for line, row in iter_objects(path):
        sentence1, sentence2 = (_sentence(path, line, row, key) for key in require_sentence_keys(path, line, row))
        yield line, sentence1, sentence2, _label(path, line, row)


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
