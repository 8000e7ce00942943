"""Text files as numbered lines, with the checks that every reader needs.

UTF-8 with or without BOM, LF or CRLF. Anything else is a DataError that names file and line.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from final_project.errors import DataError

MAX_LINE_BYTES = 10_000_000


def read_bytes_lines(path: str | Path) -> Iterator[tuple[int, bytes]]:
    """Yield (line number from 1, raw line without its ending); refuses what cannot be a text file."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            number = 0
            while line := file.readline(MAX_LINE_BYTES + 1):
                number += 1
                if len(line) > MAX_LINE_BYTES:
                    raise DataError(path, f"line longer than {MAX_LINE_BYTES:,} bytes", number)
                if b"\0" in line:
                    raise DataError(path, "NUL byte: not a text file", number)
                if number == 1:
                    line = line.removeprefix(b"\xef\xbb\xbf")
                yield number, line.removesuffix(b"\n").removesuffix(b"\r")
    except OSError as error:
        raise DataError(path, f"cannot read: {error.strerror}") from error
    if number == 0:
        raise DataError(path, "the file is empty")


def read_lines(path: str | Path) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, text) for every line that is not blank; raises DataError where none is."""
    any_text = False
    for number, raw in read_bytes_lines(path):
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError as error:
            raise DataError(
                path, f"not UTF-8: byte 0x{raw[error.start]:02x} at column {error.start + 1}", number
            ) from error
        if text.strip():
            any_text = True
            yield number, text
    if not any_text:
        raise DataError(path, "the file holds no text")


def json_fault(error: ValueError | RecursionError) -> str:
    """What json.loads found wrong with a text."""
    reason = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply or a number too long"
    return f"broken JSON: {reason}"
