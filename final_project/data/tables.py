"""Sentence pairs in files: every form in which they come, read into `Pair`, and the one form that is written.

Read     TSV (two or three columns, with or without a header, no quoting), CSV (header `sentence1,sentence2,label`,
         RFC 4180 quotes), JSONL (`sentence1, sentence2, label`), the contest's JSONL (as pairs without label), and
         Parquet (columns sentence1, sentence2 and, where there are labels, label; an error names the row, from 1).
Written  CSV with that header, UTF-8, LF, minimal quoting.
The content decides, not the extension: mirrors name files as they please.
"""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

from final_project.artifacts import write_atomic
from final_project.data.contest import iter_json_lines, iter_segmented
from final_project.data.lines import MAX_LINE_BYTES, read_lines
from final_project.data.pairs import Pair
from final_project.data.parquet import is_parquet, parquet_rows
from final_project.errors import DataError

CSV_HEADER = ("sentence1", "sentence2", "label")
# First lines as the mirrors of LCQMC and its relatives have them.
HEADER_NAMES = {"sentence1", "sentence2", "text_a", "text_b", "text1", "text2", "query1", "query2", "q1", "q2"}

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
    if first.lstrip().startswith("{"):
        return _read_json
    if "\t" not in first and (path.suffix.lower() == ".csv" or first.lower().startswith("sentence1,")):
        return _read_csv
    return _read_tsv


def _read_tsv(path: Path, header: bool | None) -> NumberedPairs:
    """Quotes are ordinary characters here: corpora of this kind hold unbalanced ones."""
    rows = ((line, text.split("\t")) for line, text in read_lines(path))
    n_columns = None
    for line, columns in _without_header(path, rows, header):
        n_columns = n_columns or (2 if len(columns) == 2 else 3)
        yield line, _pair(path, line, columns, n_columns, "tab-separated")


def _without_header(path: Path, rows: Iterator[Row], header: bool | None) -> Iterator[Row]:
    """The rows below the header, where there is one."""
    line, first = next(rows)
    found = first[0].strip().lower() in HEADER_NAMES
    if header is True and not found:
        raise DataError(path, f"expected a header such as text_a<TAB>text_b<TAB>label, found {first[0][:30]!r}", line)
    if header is False and found:
        raise DataError(path, f"expected no header, found {' '.join(first)!r}", line)
    if not found:
        yield line, first
        yield from rows
        return
    below = next(rows, None)
    if below is None:
        raise DataError(path, "a header and no rows", line)
    yield from itertools.chain((below,), rows)


def _read_csv(path: Path, header: bool | None) -> NumberedPairs:
    rows = csv_rows(path)
    line, first = next(rows)
    names = tuple(name.strip().lower() for name in first)
    if names not in (CSV_HEADER, CSV_HEADER[:2]):
        raise DataError(path, f"expected the header {','.join(CSV_HEADER)}, found {','.join(first)[:60]!r}", line)
    if header is False:
        raise DataError(path, f"expected no header, found {','.join(first)!r}", line)
    below = next(rows, None)
    if below is None:
        raise DataError(path, "a header and no rows", line)
    for at, columns in itertools.chain((below,), rows):
        yield at, _pair(path, at, columns, len(names), "comma-separated")


def csv_rows(path: Path) -> Iterator[Row]:
    """(line on which the row begins, its columns). Lines are joined as the quotes say; csv itself would lose the
    number of the line where an unclosed quote began."""
    begin, last, held, n_held, is_open = 0, 0, [], 0, False
    for line, text in read_lines(path):
        if not held:
            begin = line
        else:  # blank lines, which read_lines leaves out, are part of a sentence here
            text = "\n" * (line - last - 1) + text
        held.append(text)
        last = line
        is_open ^= text.count('"') % 2 == 1
        if is_open:
            n_held += len(text)
            if n_held > MAX_LINE_BYTES:
                raise DataError(path, f"a quote opens here; not closed after {MAX_LINE_BYTES:,} characters", begin)
            continue
        try:
            yield begin, next(csv.reader(["\n".join(held)], strict=True))
        except csv.Error as error:
            raise DataError(path, f"not a CSV row: {error}", begin) from error
        held, n_held = [], 0
    if held:
        raise DataError(path, "a quote opens here and is never closed", begin)


def _pair(path: Path, line: int, columns: list[str], n_columns: int, kind: str) -> Pair:
    if len(columns) != n_columns:
        raise DataError(path, f"expected {n_columns} {kind} columns, found {len(columns)}", line)
    for place, sentence in enumerate(columns[:2], start=1):
        if not sentence.strip():
            raise DataError(path, f"sentence {place} is empty", line)
    label = _label(path, line, columns[2]) if n_columns == 3 else None
    return Pair(columns[0], columns[1], label)


def _label(path: Path, line: int, value: Any) -> int | None:
    """0 or 1, as a number or as text; None where nothing is given."""
    text = str(value).strip() if isinstance(value, (str, int)) and not isinstance(value, bool) else None
    if value is None or text == "":
        return None
    if text not in ("0", "1"):
        raise DataError(path, f"label must be 0 or 1, found {value!r}", line)
    return int(text)


def _read_json(path: Path, header: bool | None) -> NumberedPairs:
    rows = iter_json_lines(path)
    _, first = next(rows)
    if "text_q_seg" in first or "query" in first:
        yield from ((line, Pair(row.query, row.title)) for line, row in iter_segmented(path))
    else:
        yield from ((line, _json_pair(path, line, row)) for line, row in iter_json_lines(path))


def _read_parquet(path: Path, header: bool | None) -> NumberedPairs:
    yield from ((number, _json_pair(path, number, row)) for number, row in parquet_rows(path, CSV_HEADER))


def _json_pair(path: Path, line: int, row: dict[str, Any]) -> Pair:
    for key in CSV_HEADER[:2]:
        if key not in row:
            raise DataError(path, f"missing key {key!r}", line)
        if not isinstance(row[key], str):
            raise DataError(path, f"{key} must be a string, found {json.dumps(row[key])[:30]}", line)
    sides = [row[key] for key in CSV_HEADER[:2]]
    return _pair(path, line, [*sides, row.get("label")], 3, "JSON")
