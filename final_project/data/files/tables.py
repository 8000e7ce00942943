"""Sentence pairs in files: every form in which they come, read into `Pair`, and the one form that is written.

Read     TSV (two or three columns, with or without a header, no quoting), CSV (with a header, RFC 4180 quotes), JSONL,
         the contest's JSONL (as pairs without label), and Parquet (an error names the row, from 1).
Columns and keys may have any names of column_names.py, in any order; further ones are ignored.
Written  CSV with the header `sentence1,sentence2,label`, UTF-8, LF, minimal quoting.
The content decides, not the extension: mirrors name files as they please.
"""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from final_project.artifacts import write_atomic
from final_project.data.files.column_names import (
    NamedColumns,
    is_header,
    label_keys,
    listed,
    named_columns,
    normal_name,
    require_sentence_keys,
)
from final_project.data.files.contest import iter_json_lines, iter_segmented
from final_project.data.files.forms import is_csv, is_json
from final_project.data.files.lines import MAX_LINE_BYTES, raw_lines, read_lines
from final_project.data.files.parquet import is_parquet, parquet_rows
from final_project.data.records import Pair
from final_project.data.texts import why_no_text
from final_project.errors import DataError

CSV_HEADER = ("sentence1", "sentence2", "label")
IN_ORDER = {2: NamedColumns(0, 1, None), 3: NamedColumns(0, 1, 2)}  # number of columns -> what is where, by default

Row = tuple[int, list[str]]
NumberedPairs = Iterator[tuple[int, Pair]]


def read_pairs(path: str | Path, labelled: bool | None = None, header: bool | None = None) -> list[Pair]:
    """`iter_pairs` as a list, for files that fit in memory."""
    return list(iter_pairs(path, labelled, header))


def iter_pairs(path: str | Path, labelled: bool | None = None, header: bool | None = None) -> Iterator[Pair]:
    """The pairs of a file, in order, one at a time. Raises DataError with file and line on the first fault.

    labelled  True: every row needs a label. False: labels are dropped. None: the first row decides for all.
    header    True: a TSV must have one. False: it must not. None: either. A CSV always has one.
    """
    path = Path(path)
    first_line, any_label = 0, labelled
    for line, pair in _reader_for(path)(path, header):
        if labelled is False:
            yield Pair(pair.sentence1, pair.sentence2)
            continue
        if any_label is None:
            first_line, any_label = line, pair.label is not None
        if any_label and pair.label is None:
            raise DataError(path, "no label; expected 0 or 1", line)
        if not any_label and pair.label is not None:
            raise DataError(path, f"a label, where line {first_line} has none: label all rows or none", line)
        yield pair


def write_pairs_csv(path: str | Path, pairs: Iterable[Pair]) -> int:
    """Write pairs as CSV, the label empty where it is unknown; returns the number of rows."""
    count = 0
    with write_atomic(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        # Python's csv leaves a carriage return bare where lines end in LF, and would then refuse to read it.
        quoting_writer = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)
        writer.writerow(CSV_HEADER)
        for pair in pairs:
            bare = "\r" not in pair.sentence1 and "\r" not in pair.sentence2
            (writer if bare else quoting_writer).writerow(
                (pair.sentence1, pair.sentence2, "" if pair.label is None else pair.label)
            )
            count += 1
    return count


def write_pairs_tsv(path: str | Path, pairs: Iterable[Pair]) -> int:
    """Write two columns without header or label; white space inside a sentence becomes one blank, because a tab or
    a line break in it would be read as something else. Returns the number of rows."""
    count = 0
    with write_atomic(path) as file:
        for pair in pairs:
            file.write("\t".join(" ".join(side.split()) for side in (pair.sentence1, pair.sentence2)) + "\n")
            count += 1
    return count


def _reader_for(path: Path) -> Callable[[Path, bool | None], NumberedPairs]:
    if is_parquet(path):
        return _read_parquet
    _, first = next(read_lines(path))
    if is_json(first):
        return _read_json
    return _read_csv if is_csv(path, first) else _read_tsv


def _read_tsv(path: Path, header: bool | None) -> NumberedPairs:
    """Quotes are ordinary characters here: corpora of this kind hold unbalanced ones."""
    rows = ((line, text.split("\t")) for line, text in read_lines(path))
    line, first = next(rows)
    found = _read_header(first)
    if header is True and found is None:
        raise DataError(path, f"expected a header such as text_a<TAB>text_b<TAB>label, found {first[0][:30]!r}", line)
    if header is False and found is not None:
        raise DataError(path, f"expected no header, found {' '.join(first)!r}", line)
    if found is None:
        columns, width = IN_ORDER[2 if len(first) == 2 else 3], 2 if len(first) == 2 else 3
        return _pairs(path, itertools.chain(((line, first),), rows), columns, width, "tab-separated")
    if any(name.strip().startswith('"') for name in first):
        raise DataError(path, "the header is quoted, so texts may be too: save the file as CSV", line)
    return _pairs(path, _below(path, line, first, rows), found, len(first), "tab-separated")


def _read_header(first: Sequence[str]) -> NamedColumns | None:
    """What a first row says of the columns; None where it is a pair: two sentences may read like names, but what has
    a label is no header. Of three columns the third is the label, whatever it is called."""
    found = named_columns(first)
    if found is None or (len(first) == 3 and first[2].strip() in ("0", "1")):
        return None
    is_third = len(first) == 3 and found.label is None and {found.sentence1, found.sentence2} == {0, 1}
    return NamedColumns(found.sentence1, found.sentence2, 2) if is_third else found


def _read_csv(path: Path, header: bool | None) -> NumberedPairs:
    rows = csv_rows(path)
    line, first = next(rows)
    found = _read_header(first)
    if found is None:
        raise DataError(path, f"expected the header {','.join(CSV_HEADER)}, found {','.join(first)[:60]!r}", line)
    if header is False:
        raise DataError(path, f"expected no header, found {','.join(first)!r}", line)
    return _pairs(path, _below(path, line, first, rows), found, len(first), "comma-separated")


def _below(path: Path, line: int, header: Sequence[str], rows: Iterator[Row]) -> Iterator[Row]:
    """The rows below a header: at least one, and none is the header again, as where files were joined."""
    names = [*map(normal_name, header)]
    below = next(rows, None)
    if below is None:
        raise DataError(path, "a header and no rows", line)
    for number, columns in itertools.chain((below,), rows):
        if columns[0].strip("\ufeff") == header[0] and [*map(normal_name, columns)] == names:
            raise DataError(path, f"the header of line {line} again: leave it out where files are joined", number)
        yield number, columns


def _pairs(path: Path, rows: Iterator[Row], places: NamedColumns, width: int, kind: str) -> NumberedPairs:
    for line, columns in rows:
        if len(columns) != width:
            raise DataError(path, f"expected {width} {kind} columns, found {len(columns)}{_line_ends(columns)}", line)
        if width == 2 and kind == "tab-separated" and is_header(columns):
            raise DataError(path, f"a header between rows, {columns[0]!r} and {columns[1]!r}: leave it out", line)
        label = None if places.label is None else columns[places.label]
        yield line, _pair(path, line, columns[places.sentence1], columns[places.sentence2], label)


def _line_ends(columns: Sequence[str]) -> str:
    return " (lines end in a bare CR: expected LF or CRLF)" if any("\r" in column for column in columns) else ""


def csv_rows(path: Path) -> Iterator[Row]:
    """(line on which the row begins, its columns). Lines are joined as the quotes say; csv itself would lose the
    number of the line where an unclosed quote began. Blank lines between rows are passed over."""
    csv.field_size_limit(2 * MAX_LINE_BYTES)  # by default 131,072 characters, which an article may exceed
    held: list[str] = []
    begin, n_held, is_open, any_text = 0, 0, False, False
    for line, text in raw_lines(path):
        if not is_open:
            if not text.strip():
                continue
            begin, held, n_held, any_text = line, [], 0, True
        held.append(text)
        is_open ^= text.count('"') % 2 == 1
        if is_open:
            n_held += len(text)
            if n_held > MAX_LINE_BYTES:
                raise DataError(path, f"a quote opens here; not closed after {MAX_LINE_BYTES:,} characters", begin)
            continue
        try:
            yield begin, next(csv.reader(["\n".join(held).removesuffix("\r")], strict=True))
        except csv.Error as error:
            raise DataError(path, f"not a CSV row: {error}", begin) from error
    if is_open:
        raise DataError(path, "a quote opens here and is never closed", begin)
    if not any_text:
        raise DataError(path, "the file holds no text")


def _pair(path: Path, line: int, sentence1: str, sentence2: str, label: Any) -> Pair:
    for place, sentence in enumerate((sentence1, sentence2), start=1):
        if fault := why_no_text(sentence):
            raise DataError(path, f"sentence {place} {fault}", line)
    return Pair(sentence1, sentence2, _label(path, line, label))


def _label(path: Path, line: int, value: Any) -> int | None:
    """0 or 1, as a number or as text; None where nothing is given."""
    text = str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else None
    if value is None or text == "":
        return None
    if text not in ("0", "1"):
        raise DataError(path, f"label must be 0 or 1, found {repr(value)[:40]}", line)
    return int(text)


def _read_json(path: Path, header: bool | None) -> NumberedPairs:
    _, first = next(iter_json_lines(path))
    if "text_q_seg" in first or "text_t_seg" in first:
        return ((line, Pair(row.query, row.title)) for line, row in iter_segmented(path))
    return ((line, _json_pair(path, line, row)) for line, row in iter_json_lines(path))


def _read_parquet(path: Path, header: bool | None) -> NumberedPairs:
    def columns(names: Sequence[str]) -> list[str]:
        return [*require_sentence_keys(path, 1, names), *label_keys(names)]

    return ((number, _json_pair(path, number, row)) for number, row in parquet_rows(path, columns))


def _json_pair(path: Path, line: int, row: dict[str, Any]) -> Pair:
    keys, labels = require_sentence_keys(path, line, row), label_keys(tuple(row))
    for key in keys:
        if fault := (None if isinstance(row[key], str) else why_no_text(row[key])):
            raise DataError(path, f"{listed([key])} {fault}", line)
    if len(labels) > 1:
        raise DataError(path, f"expected one label, found {listed(labels)}", line)
    return _pair(path, line, row[keys[0]], row[keys[1]], row[labels[0]] if labels else None)
