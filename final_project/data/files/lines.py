"""Text files as numbered lines, with the checks that every reader needs.

UTF-8 with or without BOM, LF or CRLF. Anything else is a DataError that names file and line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from final_project.errors import DataError

MAX_LINE_BYTES = 10_000_000
UTF_16_OR_32 = (b"\xff\xfe", b"\xfe\xff", b"\0\0\xfe\xff")


def raw_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, text without its LF) for every line, blank ones too; a CR before the LF is kept.

    Raises DataError where the file cannot be read or is no UTF-8 text.
    """
    path = Path(path)
    number = 0
    try:
        with path.open("rb") as file:
            while line := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(line) > MAX_LINE_BYTES:
                    raise DataError(path, f"line longer than {MAX_LINE_BYTES:,} bytes", number)
                if number == 1 and line.startswith(UTF_16_OR_32):
                    raise DataError(path, "UTF-16 or UTF-32, expected UTF-8: save the file as UTF-8", number)
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                yield number, decoded(path, number, line.removesuffix(b"\n"))
    except OSError as error:
        raise DataError(path, f"cannot read: {error.strerror}") from error
    if number == 0:
        raise DataError(path, "the file is empty")


def decoded(path: str | Path, number: int, line: bytes) -> str:
    """The text of one line; raises DataError where it is none."""
    if b"\0" in line:
        raise DataError(path, "NUL byte: not a text file in UTF-8", number)
    try:
        return line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            path, f"not UTF-8: byte 0x{line[error.start]:02x} at column {error.start + 1}", number
        ) from error


def read_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, text) for every line that is not blank; raises DataError where none is."""
    any_text = False
    for number, text in raw_lines(path):
        if text.strip():
            any_text = True
            yield number, text.removesuffix("\r")
    if not any_text:
        raise DataError(path, "the file holds no text")


def json_fault(error: ValueError | RecursionError) -> str:
    """What json.loads found wrong with a text."""
    reason = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply or a number too long"
    return f"broken JSON: {reason}"
