"""Text files as numbered lines, with the checks that every reader needs.

UTF-8 with or without BOM, UTF-16 with a BOM, or GB18030 (encodings.py), which the log says; LF or CRLF. Anything else
is a DataError that names file and line.
"""

from __future__ import annotations

import codecs
import itertools
import json
import logging
from collections.abc import Iterator
from functools import lru_cache, partial
from pathlib import Path
from typing import BinaryIO

from final_project.data.files.encodings import (
    BLOCK,
    GB18030,
    MARK_UTF_8,
    MARKS_UTF_16,
    MARKS_UTF_32,
    UTF_8,
    UTF_16,
    unmarked_encoding,
)
from final_project.errors import DataError

log = logging.getLogger(__name__)

MAX_LINE_BYTES = 10_000_000


def raw_lines(path: str | Path, encoding: str = "") -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, text without its LF) for every line, blank ones too; a CR before the LF is kept.

    encoding: the only one that is read; empty = any that is known, found by the content.

    Raises DataError where the file cannot be read or is no text in a known encoding.
    """
    path = Path(path)
    number = 0
    try:
        with path.open("rb") as file:
            first = file.readline(MAX_LINE_BYTES + 1)
            if first.startswith(MARKS_UTF_32):
                raise DataError(path, "UTF-32, expected UTF-8: save the file as UTF-8", 1)
            if not encoding and first.startswith(MARKS_UTF_16):
                lines = _wide_lines(path, first, file)
            else:
                lines = _narrow_lines(path, first, file, encoding)
            for number, text in lines:
                yield number, text
    except OSError as error:
        raise DataError(path, f"cannot read: {error.strerror}") from error
    if number == 0:
        raise DataError(path, "the file is empty")


def _narrow_lines(path: Path, first: bytes, file: BinaryIO, encoding: str) -> Iterator[tuple[int, str]]:
    """Lines of UTF-8 or GB18030. Which of them is asked at the first line that is not ASCII."""
    line, number = first.removeprefix(MARK_UTF_8), 0
    encoding = UTF_8 if first.startswith(MARK_UTF_8) else encoding
    if first and not line:  # nothing but a mark
        yield 1, ""
    while line:
        number += 1
        if len(line) > MAX_LINE_BYTES:
            raise DataError(path, f"line longer than {MAX_LINE_BYTES:,} bytes", number)
        if not encoding and not line.isascii():
            # what cannot be read twice is taken for UTF-8
            encoding = unmarked_encoding(path) if path.is_file() else UTF_8
            _say_encoding(path, encoding)
        yield number, decoded(path, number, line.removesuffix(b"\n"), encoding or UTF_8)
        line = file.readline(MAX_LINE_BYTES + 1)


def _wide_lines(path: Path, first: bytes, file: BinaryIO) -> Iterator[tuple[int, str]]:
    """Lines of UTF-16, in which a line's last byte is not its LF."""
    _say_encoding(path, UTF_16)
    held, number = "", 0
    pieces = codecs.iterdecode(itertools.chain((first,), iter(partial(file.read, BLOCK), b"")), "utf-16")
    try:
        for piece in pieces:
            *whole, held = (held + piece).split("\n")
            for text in whole:
                number += 1
                yield number, _checked(path, number, text)
            _checked(path, number + 1, held)
    except UnicodeDecodeError as error:
        raise DataError(path, f"not UTF-16: {error.reason}; save the file as UTF-8", number + 1) from error
    if held or not number:
        yield number + 1, held


def _checked(path: Path, number: int, text: str) -> str:
    if 2 * len(text) > MAX_LINE_BYTES:
        raise DataError(path, f"line longer than {MAX_LINE_BYTES:,} bytes", number)
    if "\0" in text:
        raise DataError(path, "NUL character: not a text file", number)
    return text


@lru_cache(maxsize=256)
def _say_encoding(path: Path, encoding: str) -> None:
    """Once a file, however often it is read."""
    if encoding != UTF_8:
        log.info("%s: read as %s", path, encoding)


def decoded(path: str | Path, number: int, line: bytes, encoding: str = UTF_8) -> str:
    """The text of one line in UTF-8 or GB18030; raises DataError where it is none."""
    if b"\0" in line:
        raise DataError(path, "NUL byte: not a text file in UTF-8", number)
    try:
        text = line.decode(encoding)
    except UnicodeDecodeError as error:
        raise DataError(
            path,
            f"not {encoding}: byte 0x{line[error.start]:02x} at column {error.start + 1}; save the file as UTF-8",
            number,
        ) from error
    return text.removeprefix("\ufeff") if number == 1 and encoding == GB18030 else text


def read_lines(path: str | Path, encoding: str = "") -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, text) for every line that is not blank; raises DataError where none is."""
    any_text = False
    for number, text in raw_lines(path, encoding):
        if text.strip():
            any_text = True
            yield number, text.removesuffix("\r")
    if not any_text:
        raise DataError(path, "the file holds no text")


def json_fault(error: ValueError | RecursionError) -> str:
    """What json.loads found wrong with a text."""
    reason = error.msg if isinstance(error, json.JSONDecodeError) else "nested too deeply or a number too long"
    return f"broken JSON: {reason}"
