"""Recognise a file's format by its content: mirrors rename files, and a sentence may begin like another format."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from final_project.data.files.column_names import is_header, label_keys, sentence_keys

FIRST_KEY = re.compile(r'\s*\[?\s*\{\s*"([^"\\]{1,40})"\s*:')
SEPARATORS = {",": "comma-separated", ";": "semicolon-separated"}  # of CSV


def is_json(first: str) -> bool:
    """Whether the first line of a file begins JSON and not a table: a sentence may begin with a brace or a bracket.

    Without a tab it is no row of a table. With one, it is JSON where json reads it, and where it is broken but begins
    with a key that our rows have; then json says what is wrong with it.
    """
    first = first.strip()
    if not first.startswith(("{", "[")):
        return False
    if "\t" not in first:
        return True
    try:
        _, end = json.JSONDecoder().raw_decode(first)
    except (ValueError, RecursionError):
        key = FIRST_KEY.match(first)
        return key is not None and (key[1] == "id" or any(sentence_keys((key[1],))) or bool(label_keys([key[1]])))
    return end == len(first)


def csv_separator(path: Path, first: str, names_columns: Callable[[Sequence[str]], bool] = is_header) -> str | None:
    """What stands between the columns of a CSV of which this is the first line; None where it is a TSV.

    The one between which the names are known (names_columns) or, of a file named .csv, the more frequent one.
    """
    if "\t" in first:
        return None
    for separator in SEPARATORS:
        if names_columns(first.split(separator)):
            return separator
    if path.suffix.lower() != ".csv":
        return None
    return max(SEPARATORS, key=first.count)
