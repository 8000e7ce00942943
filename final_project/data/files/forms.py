"""Recognise a file's format by its content: mirrors rename files, and a sentence may begin like another format."""

from __future__ import annotations

import json
import re
from pathlib import Path

from final_project.data.files.column_names import is_header, label_keys, sentence_keys

FIRST_KEY = re.compile(r'\s*\[?\s*\{\s*"([^"\\]{1,40})"\s*:')


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


def is_csv(path: Path, first: str) -> bool:
    """Whether the first line is that of a CSV: known names between commas or, by the file's name, another header."""
    return "\t" not in first and (path.suffix.lower() == ".csv" or is_header(first.split(",")))
