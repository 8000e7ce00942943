"""Sentence pairs in files: every form in which they come, read into `Pair`, and the one form that is written.

Read     TSV (two or three columns, with or without a header, no quoting), CSV (with a header, RFC 4180 quotes, commas
         or semicolons), JSONL, a JSON array of objects, the contest's JSONL (as pairs without label), Parquet and
         Excel (an error names the row, from 1); in the encodings of encodings.py.
Columns and keys go by any names of column_names.py, in any order, or as the user says (how_to_read.py); others beside
them are passed over. Labels are read as label_reading.py says.
Written  CSV with the header `sentence1,sentence2,label`, UTF-8, LF, minimal quoting.
The content decides, not the extension: mirrors name files as they please.
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Iterable, Iterator
from pathlib import Path

from final_project.artifacts import write_atomic
from final_project.data.files.how_to_read import AS_NAMED, HowToRead
from final_project.data.files.pair_file import PairFile
from final_project.data.files.read_report import how_it_was_read
from final_project.data.records import Pair
from final_project.errors import DataError

log = logging.getLogger(__name__)

CSV_HEADER = ("sentence1", "sentence2", "label")


def read_pairs(
    path: str | Path, labelled: bool | None = None, header: bool | None = None, how: HowToRead = AS_NAMED
) -> list[Pair]:
    """`iter_pairs` as a list, for files that fit in memory."""
    return list(iter_pairs(path, labelled, header, how))


def iter_pairs(
    path: str | Path,
    labelled: bool | None = None,
    header: bool | None = None,
    how: HowToRead = AS_NAMED,
    say: bool = False,
) -> Iterator[Pair]:
    """The pairs of a file, in order, one at a time. Raises DataError with file and line on the first fault.

    labelled  True: every row needs a label. False: labels are dropped. None: the first row decides for all.
    header    True: a TSV must have one. False: it must not. None: either. A CSV always has one.
    how       which column is what and which label means what, where names do not say it.
    say       at the end, log how the file was read: for files that users give, not for those that stages write.
    """
    file = PairFile(path, how, header)
    for _, pair in checked_pairs(file, labelled):
        if isinstance(pair, DataError):
            raise pair
        yield Pair(pair.sentence1, pair.sentence2) if labelled is False else pair
    for text in how_it_was_read(file) if say else ():
        log.info("%s", text)


def checked_pairs(file: PairFile, labelled: bool | None = None) -> Iterator[tuple[int, Pair | DataError]]:
    """(line, pair or what is wrong with it), where a label on some rows alone is wrong, too; labelled: as above."""
    first_line, any_label = 0, labelled
    for line, pair in file:
        if isinstance(pair, DataError) or labelled is False:
            yield line, pair
            continue
        if any_label is None:
            first_line, any_label = line, pair.label is not None
        if any_label and pair.label is None:
            why = f"no label; expected {file.labels.expected}{file.labels.why_unknown()}"
            yield line, DataError(file.path, why, line)
        elif not any_label and pair.label is not None:
            why = f"a label, where line {first_line} has none: label all rows or none"
            yield line, DataError(file.path, why, line)
        else:
            yield line, pair


def read_and_log_pairs(path: str | Path, labelled: bool | None = None, how: HowToRead = AS_NAMED) -> Iterator[Pair]:
    """`iter_pairs` of a file that a user gives: how it was read is logged."""
    return iter_pairs(path, labelled, how=how, say=True)


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
