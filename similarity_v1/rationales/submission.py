"""The submission file: `id<TAB>label<TAB>i,j,...<TAB>i,j,...`, one row a line, as text or zipped.

Positions count from 0, most important first. No header, LF. The zip holds that one file with a fixed date, so that the
same rows give the same bytes.
"""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath

from final_project.artifacts import write_atomic
from final_project.data.files.encodings import UTF_8
from final_project.data.files.lines import decoded, read_lines
from final_project.data.files.zips import check_entries, is_plain_file, opened_zip, read_pieces
from final_project.data.records import Rationale, SegmentedPair
from final_project.errors import DataError

MAX_ZIP_BYTES = 64 << 20
MAX_TEXT_BYTES = 256 << 20
MAX_ZIP_RATIO = 200  # rows of numbers shrink to a third or a tenth; far more is a zip bomb
MOST_NAMED = 5
ZIP_DATE = (1980, 1, 1, 0, 0, 0)

NumberedRow = tuple[int, Rationale]


def format_row(row: Rationale) -> str:
    return f"{row.id}\t{row.label}\t{','.join(map(str, row.words_q))}\t{','.join(map(str, row.words_t))}\n"


def write_submission(path: str | Path, rows: Iterable[Rationale]) -> None:
    with write_atomic(path) as file:
        file.writelines(format_row(row) for row in rows)


def write_zip(path: str | Path, text_file: Path) -> None:
    """Zip one text file, atomically and without anything that differs from run to run."""
    entry = zipfile.ZipInfo(text_file.name, ZIP_DATE)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.create_system = 3
    entry.external_attr = 0o100644 << 16
    with write_atomic(path, "wb") as file, zipfile.ZipFile(file, "w") as archive:
        archive.writestr(entry, text_file.read_bytes(), compresslevel=9)


def read_submission(path: str | Path, may_be_empty: bool = False) -> list[NumberedRow]:
    """(line, row) of a .txt or .zip submission. Raises DataError with file and line on anything that is no such row,
    on a duplicate id and, unless sides may be empty, on a side without words."""
    path = Path(path)
    lines = _zipped_lines(path) if path.suffix.lower() == ".zip" else read_lines(path, UTF_8)
    rows: list[NumberedRow] = []
    seen: dict[int, int] = {}
    for line, text in lines:
        row = _parse_row(path, line, text, may_be_empty)
        if row.id in seen:
            raise DataError(path, f"duplicate id {row.id}; the first is at line {seen[row.id]}", line)
        seen[row.id] = line
        rows.append((line, row))
    return rows


def check_rows(path: str | Path, rows: Sequence[NumberedRow], pairs: Sequence[SegmentedPair]) -> int:
    """Check that every row names a known pair and points into its words; returns the number of rows that repeat an
    index, which is allowed because the published submission has them. Raises DataError."""
    by_id = {pair.id: pair for pair in pairs}
    n_repeating = 0
    for line, row in rows:
        pair = by_id.get(row.id)
        if pair is None:
            raise DataError(path, f"unknown id {row.id}: it is not in the pairs file", line)
        for side, chosen, words in (("first", row.words_q, pair.words_q), ("second", row.words_t, pair.words_t)):
            for index in chosen:
                if index >= len(words):
                    raise DataError(
                        path,
                        f"id {row.id}: index {index} is out of range: the {side} sentence has {len(words)} words",
                        line,
                    )
        n_repeating += _repeats(row)
    return n_repeating


def validate(path: str | Path, pairs: Sequence[SegmentedPair]) -> dict[str, int | bool]:
    """Check a whole submission against its pairs. Raises DataError at the first fault, else returns counts."""
    rows = read_submission(path)
    n_repeating = sum(map(_repeats, align_rows(path, rows, pairs)))
    return {"valid": True, "rows": len(rows), "rows_with_repeated_index": n_repeating}


def align_rows(path: str | Path, rows: Sequence[NumberedRow], pairs: Sequence[SegmentedPair]) -> list[Rationale]:
    """The rows in the order of the pairs; raises DataError where they are not exactly the pairs' rows."""
    check_rows(path, rows, pairs)
    by_id = {row.id: row for _, row in rows}
    missing = [pair.id for pair in pairs if pair.id not in by_id]
    if missing:
        raise DataError(path, f"{len(missing)} of {len(pairs)} ids are missing; the first is {missing[0]}")
    return [by_id[pair.id] for pair in pairs]


def _repeats(row: Rationale) -> bool:
    return any(len(set(side)) < len(side) for side in (row.words_q, row.words_t))


def _parse_row(path: Path, line: int, text: str, may_be_empty: bool) -> Rationale:
    columns = text.split("\t")
    if len(columns) != 4:
        raise DataError(path, f"expected 4 tab-separated columns, found {len(columns)}", line)
    identifier, label, first, second = columns
    if not re.fullmatch(r"-?[0-9]{1,18}", identifier):
        hint = " (a submission has no header)" if line == 1 else ""
        raise DataError(path, f"id must be an integer, found {identifier[:40]!r}{hint}", line)
    if label not in ("0", "1"):
        raise DataError(path, f"label must be 0 or 1, found {label[:40]!r}", line)
    sides = []
    for side, indices in (("first", first), ("second", second)):
        if not (indices.strip() or may_be_empty):
            raise DataError(path, f"no words are chosen in the {side} sentence", line)
        sides.append(_indices(path, line, side, indices))
    return Rationale(int(identifier), int(label), *sides)


def _indices(path: Path, line: int, side: str, text: str) -> tuple[int, ...]:
    if not text.strip():
        return ()
    indices = []
    for part in text.split(","):
        if re.fullmatch(r"-[0-9]+", part):
            raise DataError(path, f"negative index {part[:40]} in the {side} sentence", line)
        if not re.fullmatch(r"[0-9]{1,9}", part):
            raise DataError(path, f"expected indices i,j,... for the {side} sentence, found {part[:40]!r}", line)
        indices.append(int(part))
    return tuple(indices)


def _zipped_lines(path: Path) -> Iterator[tuple[int, str]]:
    any_text = False
    for number, raw in enumerate(_zipped_bytes(path).removeprefix(b"\xef\xbb\xbf").split(b"\n"), start=1):
        text = decoded(path, number, raw).removesuffix("\r")
        if text.strip():
            any_text = True
            yield number, text
    if not any_text:
        raise DataError(path, "the zipped file holds no text")


def _zipped_bytes(path: Path) -> bytes:
    """The one text file of a zip, within the limits."""
    n_packed = path.stat().st_size if path.is_file() else 0
    if n_packed > MAX_ZIP_BYTES:
        raise DataError(path, f"the zip has {n_packed:,} bytes; at most {MAX_ZIP_BYTES:,} are read")
    with opened_zip(path, "not a zip that can be read, or a truncated one") as archive:
        entries = archive.infolist()
        if len(entries) != 1:
            names = ", ".join(repr(entry.filename[:40]) for entry in entries[:MOST_NAMED])
            more = ", ..." if len(entries) > MOST_NAMED else ""
            found = f"{len(entries)}: {names}{more}" if entries else "0"
            raise DataError(path, f"the zip must hold exactly one file, found {found}")
        _check_name(path, entries[0])
        n_allowed = min(MAX_TEXT_BYTES, max(n_packed, 4096) * MAX_ZIP_RATIO)
        if entries[0].file_size > n_allowed:
            raise DataError(path, f"the zipped file is larger than {n_allowed:,} bytes; it is not read")
        check_entries(path, archive, n_allowed)
        return b"".join(read_pieces(path, archive, entries[0]))


def _check_name(path: Path, entry: zipfile.ZipInfo) -> None:
    name = entry.filename
    is_at_top = PurePosixPath(name).name == name and "\\" not in name and name not in ("", ".", "..")
    if not is_plain_file(entry) or not is_at_top:
        raise DataError(path, f"the zip must hold one plain file at its top, found {name[:80]!r}")
    if not name.lower().endswith(".txt"):
        raise DataError(path, f"the zip must hold a .txt file, found {name[:80]!r}")
