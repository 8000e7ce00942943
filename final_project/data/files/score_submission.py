"""Submissions of scores: a CSV with the header and the ids of a sample file, checked and written.

A submission is right where its header is the sample's, in order; every id of the sample stands in it once and no other;
and every cell is a plain decimal within the scale. CRLF, a byte order mark, a missing last line end and another order
of rows are accepted.
"""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np

from final_project.data.files.quoted_rows import quoted_rows
from final_project.data.files.score_files import write_scores_csv
from final_project.errors import DataError

PLAIN = re.compile(r"[+-]?\d+(\.\d+)?", re.ASCII)
Rows = dict[str, tuple[int, list[str]]]
"""id -> (line, the cells behind it)."""


def validate_scores(submission: Path, sample: Path, low: float, high: float) -> int:
    """The rows of a right submission. Raises DataError with file and line on the first fault."""
    header, wanted = _table(sample)
    found_header, found = _table(submission, header)
    _require_same_ids(submission, found, sample, wanted)
    for line, cells in found.values():
        for name, cell in zip(found_header[1:], cells, strict=True):
            if not PLAIN.fullmatch(cell.strip()) or not low <= float(cell) <= high:
                raise DataError(
                    submission, f"{name}: expected a plain number from {low:g} to {high:g}, found {cell[:40]!r}", line
                )
    return len(found)


def write_submission(predictions: Path, sample: Path, output: Path, low: float, high: float) -> int:
    """Write predictions in the form of the sample, its header and its order of rows, cut to the scale; returns the
    rows. Raises DataError where a name or an id is missing or foreign."""
    header, wanted = _table(sample)
    names, found = _table(predictions)
    if set(names[1:]) != set(header[1:]):
        raise DataError(predictions, f"expected the columns {', '.join(header[1:])}, found {', '.join(names[1:])}", 1)
    _require_same_ids(predictions, found, sample, wanted)
    places = [names[1:].index(name) for name in header[1:]]
    values = []
    for line, cells in (found[name] for name in wanted):
        try:
            values.append([float(cells[place]) for place in places])
        except ValueError as error:
            raise DataError(predictions, f"expected numbers: {error}", line) from error
    write_scores_csv(output, list(wanted), header[1:], np.clip(np.array(values), low, high), header[0])
    return len(wanted)


def _table(path: Path, header: list[str] | None = None) -> tuple[list[str], Rows]:
    """The header, and the rows by id. header: what it must be. Raises DataError."""
    rows = quoted_rows(path, ",")
    line, names = next(rows)
    if header is not None and names != header:
        raise DataError(path, f"expected the header {','.join(header)}, found {','.join(names)[:200]!r}", line)
    found: Rows = {}
    for line, cells in rows:
        if len(cells) != len(names):
            raise DataError(path, f"expected {len(names)} columns, found {len(cells)}", line)
        if cells[0] in found:
            raise DataError(path, f"the id {cells[0][:40]!r} stands here and on line {found[cells[0]][0]}", line)
        found[cells[0]] = line, cells[1:]
    if not found:
        raise DataError(path, "a header and no rows", line)
    return names, found


def _require_same_ids(path: Path, found: Rows, sample: Path, wanted: Rows) -> None:
    foreign = [(line, name) for name, (line, _) in found.items() if name not in wanted]
    if foreign:
        line, name = foreign[0]
        raise DataError(path, f"the id {name[:40]!r} is not in {sample.name}", line)
    if missing := [name for name in wanted if name not in found]:
        raise DataError(path, f"{len(missing)} ids of {sample.name} are missing, {missing[0][:40]} among them")
