"""Rows that a Python call is given: refused where going through them would give something else than rows.

A text gives its characters, a dict its keys, a data frame its columns' names; all of them are strings, too.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from typing import Any

from final_project.data.texts import describe_value
from final_project.errors import CallError


def given_rows(rows: Any, example: str) -> Iterable[Any]:
    """The rows, as they are. example: of what should be given, for the message. Raises CallError."""
    if isinstance(rows, str):
        what = "one text"
    elif isinstance(rows, (bytes, bytearray, Mapping, Set)) or not hasattr(rows, "__iter__"):
        what = describe_value(rows)
    elif hasattr(rows, "columns"):
        raise CallError("rows", f"expected a list such as {example}, found a table; give its rows: {TO_ROWS}")
    else:
        return rows
    raise CallError("rows", f"expected a list such as {example}, found {what}")


TO_ROWS = "list(frame[[name_a, name_b]].itertuples(index=False, name=None))"


def texts_of_row(where: str, row: Any, expected: str, example: str) -> tuple[str, ...]:
    """The texts of a row that is no single text. expected: what it should be. Raises CallError."""
    is_list = hasattr(row, "__len__") and hasattr(row, "__getitem__")
    if not is_list or isinstance(row, (str, bytes, bytearray, Mapping)) or hasattr(row, "columns"):
        raise CallError(where, f"expected {expected}, found {_shown(row)}; give {example}")
    texts = tuple(row)
    if wrong := [text for text in texts if not isinstance(text, str)]:
        raise CallError(where, f"expected {expected}, found {_shown(wrong[0])} among {len(texts)}")
    return texts


def _shown(value: Any) -> str:
    return f"the text {value[:40]!r}" if isinstance(value, str) else describe_value(value)
