"""The refinement chains as files: what they are called.

raw       sim_rationale.txt            what the attribution chose
original  ..._f1, _f1_f2, _f1_f2_f3    the published chain; f3 copies answers between rows; for the contest's rows
clean     sim_rationale_clean          ours; copies nothing
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from final_project.data.pairs import Rationale, SegmentedPair
from similarity_v1.clean import Order, refine_clean
from similarity_v1.refine import Originals, refine_f1, refine_f2, refine_f3
from similarity_v1.submission import write_submission, write_zip

CHAINS = ("original", "clean")
RAW_FILE = "sim_rationale.txt"
LAST_FILE = {"raw": RAW_FILE, "original": "sim_rationale_f1_f2_f3.txt", "clean": "sim_rationale_clean.txt"}
ZIP_FILE = {"original": "sim_rationale_f1_f2_f3.zip", "clean": "sim_rationale_clean.zip"}


def write_original_chain(
    folder: Path, pairs: Sequence[SegmentedPair], raw: Sequence[Rationale], originals: Originals
) -> tuple[list[Rationale], dict[str, int]]:
    """Write f1, f2, f3 and the zip; returns f3's rows and its counts (see `refine_f3`)."""
    f2 = refine_f2(pairs, raw)
    f3, counts = refine_f3(pairs, f2, originals)
    write_submission(folder / "sim_rationale_f1.txt", refine_f1(raw))
    write_submission(folder / "sim_rationale_f1_f2.txt", f2)
    _write_last(folder, "original", f3)
    return f3, counts


def write_clean_chain(
    folder: Path, pairs: Sequence[SegmentedPair], raw: Sequence[Rationale], order: Order
) -> list[Rationale]:
    """Write the clean rows and their zip; returns the rows."""
    rows = refine_clean(pairs, raw, order)
    _write_last(folder, "clean", rows)
    return rows


def _write_last(folder: Path, chain: str, rows: Sequence[Rationale]) -> None:
    write_submission(folder / LAST_FILE[chain], rows)
    write_zip(folder / ZIP_FILE[chain], folder / LAST_FILE[chain])
