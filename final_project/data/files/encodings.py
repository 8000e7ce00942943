"""In which encoding a text file is written: UTF-8, UTF-16 where a mark says so, or GB18030 where nothing else fits.

Chinese editors and spreadsheets still write GB18030 (GBK and GB2312 are parts of it). Almost any bytes can be read as
it, so it is believed only of a file that is no UTF-8, that can be read as GB18030, and whose characters are common
ones. A file of UTF-8 with a broken byte stays UTF-8, and its reader says where the byte is.
"""

from __future__ import annotations

import codecs
import re
from pathlib import Path
from typing import BinaryIO

UTF_8, UTF_8_MARKED, UTF_16, GB18030 = "UTF-8", "UTF-8 with a BOM", "UTF-16", "GB18030"
MARK_UTF_8 = b"\xef\xbb\xbf"
MARKS_UTF_16 = (b"\xff\xfe", b"\xfe\xff")
MARKS_UTF_32 = (b"\xff\xfe\0\0", b"\0\0\xfe\xff")
BLOCK = 1 << 16
SAMPLE_BYTES = 1 << 20  # of lines that are not ASCII; enough to tell
ASCII = re.compile("[\0-\x7f]+")


def encoding_of(path: str | Path) -> str:
    """One of the names above, for people. Raises OSError where the file cannot be read."""
    with Path(path).open("rb") as file:
        head = file.read(4)
    if head.startswith(MARKS_UTF_16):
        return UTF_16
    return UTF_8_MARKED if head.startswith(MARK_UTF_8) else unmarked_encoding(path)


def unmarked_encoding(path: str | Path) -> str:
    """UTF-8 or GB18030, by the whole file."""
    with Path(path).open("rb") as file:
        if _is_utf_8(file):
            return UTF_8
        file.seek(0)
        return GB18030 if _is_gb18030(file) else UTF_8


def _is_utf_8(file: BinaryIO) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while block := file.read(BLOCK):
            decoder.decode(block)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    return True


def _is_gb18030(file: BinaryIO) -> bool:
    """Of a file that is no UTF-8: whether more of it is wrong as UTF-8 than right, and it reads as common Chinese."""
    n_bytes = n_right = n_wrong = n_common = n_characters = 0
    while n_bytes < SAMPLE_BYTES and (line := file.readline(SAMPLE_BYTES)):
        if line.isascii():
            continue
        n_bytes += len(line)
        as_utf_8 = ASCII.sub("", line.decode("utf-8", errors="replace"))
        n_wrong += (wrong := as_utf_8.count("\ufffd"))
        n_right += len(as_utf_8) - wrong
        try:
            text = ASCII.sub("", line.decode("gb18030"))
        except UnicodeDecodeError:
            return False
        n_characters += len(text)
        n_common += n_common_characters(text)
    return n_wrong > n_right and 2 * n_common >= n_characters


def n_common_characters(text: str) -> int:
    """How many of its characters, none of them ASCII, are among the 3,755 first of GB 2312 or its punctuation.

    UTF-8 taken for GB18030 gives rare characters, three for two; so does Latin-1 with its single accents.
    """
    first_bytes = text.encode("gb2312", errors="ignore")[::2]
    return sum(0xB0 <= byte <= 0xD7 or byte in (0xA1, 0xA3) for byte in first_bytes)
