"""The refinement chains as files: what they are called, and which one a recipe hands in.

raw       sim_rationale.txt            what the attribution chose
published ..._f1, _f1_f2, _f1_f2_f3    the contest solution's chain; f3 copies answers between rows
clean     sim_rationale_clean          ours; copies nothing
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from final_project.data.pairs import Rationale, SegmentedPair
from similarity_v1.clean import Order, refine_clean
from similarity_v1.refine import Originals, refine_f1, refine_f2, refine_f3
from similarity_v1.submission import write_submission, write_zip

RAW_FILE = "sim_rationale.txt"
LAST_FILE = {"raw": RAW_FILE, "published": "sim_rationale_f1_f2_f3.txt", "clean": "sim_rationale_clean.txt"}
ZIP_FILE = {"published": "sim_rationale_f1_f2_f3.zip", "clean": "sim_rationale_clean.zip"}


def write_original_chain(
    folder: Path, pairs: Sequence[SegmentedPair], raw: Sequence[Rationale], originals: Originals
) -> tuple[list[Rationale], dict[str, int]]:
    """Write f1, f2, f3 and the zip; returns f3's rows and its counts (see `refine_f3`)."""
    f2 = refine_f2(pairs, raw)
    f3, counts = refine_f3(pairs, f2, originals)
    write_submission(folder / "sim_rationale_f1.txt", refine_f1(raw))
    write_submission(folder / "sim_rationale_f1_f2.txt", f2)
    _write_last(folder / LAST_FILE["published"], folder / ZIP_FILE["published"], f3)
    return f3, counts


def write_clean_chain(
    folder: Path, pairs: Sequence[SegmentedPair], raw: Sequence[Rationale], order: Order
) -> list[Rationale]:
    """Write the clean rows and their zip; returns the rows."""
    rows = refine_clean(pairs, raw, order)
    _write_last(folder / LAST_FILE["clean"], folder / ZIP_FILE["clean"], rows)
    return rows


def _write_last(text: Path, zipped: Path, rows: Sequence[Rationale]) -> None:
    write_submission(text, rows)
    write_zip(zipped, text)
