"""Run the refinement chains and write their files.

raw       sim_rationale.txt            the words that the attribution chose
published ..._f1, _f1_f2, _f1_f2_f3    the contest solution's chain, for contest rows; f3 copies answers between rows
clean     sim_rationale_clean          our own; copies nothing
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from final_project.data.records import Rationale, SegmentedPair
from similarity_v1.rationales.clean_chain import Order, refine_clean
from similarity_v1.rationales.published_chain import SourceRows, refine_f1, refine_f2, refine_f3
from similarity_v1.rationales.submission import write_submission, write_zip

RAW_FILE = "sim_rationale.txt"
LAST_FILE = {"raw": RAW_FILE, "published": "sim_rationale_f1_f2_f3.txt", "clean": "sim_rationale_clean.txt"}
ZIP_FILE = {"published": "sim_rationale_f1_f2_f3.zip", "clean": "sim_rationale_clean.zip"}

Unread = Mapping[int, tuple[Collection[int], Collection[int]]]
"""Row id -> the positions of the words of each side that the model did not read."""


def without_unread(rows: Sequence[Rationale], unread: Unread) -> list[Rationale]:
    """Remove words that the model did not read: the rules of a chain may add them. A side that would become empty is
    left as it is."""

    def kept(chosen: Sequence[int], left_out: Collection[int]) -> tuple[int, ...]:
        return tuple(position for position in chosen if position not in left_out) or tuple(chosen)

    return [
        Rationale(row.id, row.label, *map(kept, (row.words_q, row.words_t), unread[row.id]))
        if row.id in unread
        else row
        for row in rows
    ]


def write_published_chain(
    folder: Path,
    pairs: Sequence[SegmentedPair],
    raw: Sequence[Rationale],
    source_rows: SourceRows,
    unread: Unread = MappingProxyType({}),
) -> tuple[list[Rationale], dict[str, int]]:
    """Write f1, f2, f3 and the zip; returns f3's rows and its counts (see `refine_f3`)."""
    f2 = without_unread(refine_f2(pairs, raw), unread)
    f3, counts = refine_f3(pairs, f2, source_rows)
    f3 = without_unread(f3, unread)
    write_submission(folder / "sim_rationale_f1.txt", refine_f1(raw))
    write_submission(folder / "sim_rationale_f1_f2.txt", f2)
    _write_last(folder / LAST_FILE["published"], folder / ZIP_FILE["published"], f3)
    return f3, counts


def write_clean_chain(
    folder: Path,
    pairs: Sequence[SegmentedPair],
    raw: Sequence[Rationale],
    order: Order,
    unread: Unread = MappingProxyType({}),
) -> list[Rationale]:
    """Write the clean rows and their zip; returns the rows."""
    rows = without_unread(refine_clean(pairs, raw, order), unread)
    _write_last(folder / LAST_FILE["clean"], folder / ZIP_FILE["clean"], rows)
    return rows


def _write_last(text: Path, zipped: Path, rows: Sequence[Rationale]) -> None:
    write_submission(text, rows)
    write_zip(zipped, text)
