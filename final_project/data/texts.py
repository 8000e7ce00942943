"""What a text is: the one check of every reader, command, Python call and request.

A text is a string that holds more than white space, that UTF-8 can spell, and that has no NUL. Other control characters
are let through: corpora of this kind hold backspaces and zero-width characters, every format here carries them, and
`prepare.clean: [control]` drops them.
"""

from __future__ import annotations

import re
from typing import Any

HALF_A_PAIR = re.compile("[\ud800-\udfff]")
EMPTY = "is empty"
SHOWN = 30  # characters of a value in a message


def why_no_text(value: Any) -> str | None:
    """What keeps a value from being a sentence, as the predicate of a message; None where it is one."""
    if not isinstance(value, str):
        return f"must be a string, found {describe_value(value)}"
    return why_unreadable(value) or (None if value.strip() else EMPTY)


def why_unreadable(text: str) -> str | None:
    """What keeps a string, blank or not, out of every text file; None where nothing does."""
    if "\0" in text:
        return "holds a NUL character, which is no text"
    # Python hands on a command line's byte that is not UTF-8 as half a pair, too.
    if not text.isascii() and HALF_A_PAIR.search(text):
        return "holds half a surrogate pair or a byte that is not UTF-8, which is no text"
    return None


def describe_value(value: Any) -> str:
    """A value that is no text, for a message: numbers as they are, else the type."""
    if value is None:
        return "nothing"
    return repr(value)[:SHOWN] if isinstance(value, (int, float)) else type(value).__name__
