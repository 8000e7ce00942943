"""JSON as its standard has it. Python's json also writes and reads NaN and Infinity, which other parsers refuse: here
they are errors, when a value is written as well as when a text is read."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from typing import Any

from final_project.errors import ArtifactError

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|-?(?:NaN|Infinity|\d[\d.eE+-]*)', re.DOTALL)
"""A string, which is passed over, or a number."""


def dumps(value: Any, where: str = "the answer", **options: Any) -> str:
    """json.dumps with its options. where: what is being written, for the message. Raises ArtifactError where a number
    is not finite, with its place in the value."""
    try:
        return json.dumps(value, allow_nan=False, **options)
    except ValueError as error:
        if found := next(_not_finite(value), None):
            place, number = found
            name = f"{place} is {number}" if place else f"it is {number}"
            raise ArtifactError(f"{where}: {name}, which is no number that JSON has: nothing was written") from error
        raise


class NotFiniteNumber(json.JSONDecodeError):
    """A text spells NaN, Infinity or a number beyond what a float holds. lineno: where."""


def loads(text: str, **options: Any) -> Any:
    """The value that a JSON text spells, by json.loads with its options.

    Raises json.JSONDecodeError as json.loads does, and NotFiniteNumber."""

    def refuse(word: str) -> float:
        raise _Refused(word)

    def number(word: str) -> float:
        value = float(word)
        return value if math.isfinite(value) else refuse(word)

    try:
        return json.loads(text, parse_constant=refuse, parse_float=number, **options)
    except _Refused as error:
        word = error.args[0]
        at = next((found.start() for found in TOKEN.finditer(text) if found[0] == word), 0)
        raise NotFiniteNumber(f"expected a finite number, found {word[:20]}", text, at) from error


class _Refused(Exception):
    """A number that is not finite, as it is spelt."""


def _not_finite(value: Any, place: str = "") -> Iterator[tuple[str, float]]:
    """(place in the value, the number) of every number that is not finite."""
    if isinstance(value, float) and not math.isfinite(value):
        yield place, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, inner in items:
        yield from _not_finite(inner, f"{place}.{key}" if place else str(key))
