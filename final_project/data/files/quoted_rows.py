"""Rows of CSV and of TSV with quotes (RFC 4180): a quoted field may hold separators, doubled quotes and line ends.

A quote counts only where a field begins with it, so that one within a text (5" or 'he said "no"') opens nothing.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from pathlib import Path

from final_project.data.files.lines import MAX_LINE_BYTES, raw_lines
from final_project.errors import DataError

TO_THE_CLOSING_QUOTE = re.compile(r'[^"]*(?:""[^"]*)*"(?!")')


def quoted_rows(path: Path, separator: str) -> Iterator[tuple[int, list[str]]]:
    """(line on which the row begins, from 1; its columns). Blank lines between rows are passed over.

    Line ends within quotes stay as they are, a bare CR too; the CR of a CRLF behind a row is taken away. Raises
    DataError with file and line where a quote is never closed, or text follows a closing one.
    """
    csv.field_size_limit(2 * MAX_LINE_BYTES)
    held: list[str] = []
    begin, n_held, is_open, any_text = 0, 0, False, False
    for line, text in raw_lines(path):
        if not is_open:
            if not text.strip():
                continue
            begin, held, n_held, any_text = line, [], 0, True
        held.append(text)
        is_open = ends_within_quotes(text, is_open, separator)
        if is_open:
            n_held += len(text)
            if n_held > MAX_LINE_BYTES:
                raise DataError(path, f"a quote opens here; not closed after {MAX_LINE_BYTES:,} characters", begin)
            continue
        try:
            yield begin, next(csv.reader(["\n".join(held).removesuffix("\r")], delimiter=separator, strict=True))
        except csv.Error as error:
            raise DataError(path, f"not a row of quoted fields: {error}", begin) from error
    if is_open:
        raise DataError(path, "a quote opens here and is never closed", begin)
    if not any_text:
        raise DataError(path, "the file holds no text")


def ends_within_quotes(line: str, is_open: bool, separator: str) -> bool:
    """Whether a quoted field is still open at the line's end. is_open: whether one is at its beginning."""
    at = 0
    while True:
        if not is_open and line.startswith('"', at):
            is_open, at = True, at + 1
        if is_open:
            closing = TO_THE_CLOSING_QUOTE.match(line, at)
            if closing is None:
                return True
            is_open, at = False, closing.end()
        at = line.find(separator, at) + 1
        if not at:
            return False
