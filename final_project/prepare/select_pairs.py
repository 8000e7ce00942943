"""Select the pairs that stay, by the recipe's policies, and count the reasons for the others.

keep    the check is skipped
report  rows are counted and kept
drop    rows are counted and left out; a row with several faults counts for the first
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from final_project.data.files.pair_table import PairTable
from final_project.data.quality.checks import Known, contradicting, repeating
from final_project.data.quality.fingerprints import ODD, normal_form
from final_project.settings import Policy, Prepare

Mask = np.ndarray  # (N,) bool
STAYS = -1


@dataclass
class RowSelection:
    """Which of some rows stay, and why the others do not.

    found: rows with each fault, whether or not they stay. why_N: index into `reasons` of the first reason for which a
    row was left out, or STAYS.
    """

    rows: int
    why_N: np.ndarray = field(init=False)
    reasons: list[str] = field(default_factory=list)
    found: dict[str, int] = field(default_factory=dict)

    def __post_init__(self):
        self.why_N = np.full(self.rows, STAYS, dtype=np.int8)

    @property
    def stays_N(self) -> Mask:
        return self.why_N == STAYS

    def apply(self, policy: Policy, masks: Callable[[], Mapping[str, Mask]]) -> None:
        """Look for faults as the policy says; masks() gives, per fault, the rows that have it."""
        if policy == "keep":
            return
        for fault, mask in masks().items():
            self.found[fault] = int(mask.sum())
            if policy == "drop":
                self.why_N[mask & (self.why_N == STAYS)] = len(self.reasons)
                self.reasons.append(fault)

    def left_out(self, rows: Mask | slice = slice(None)) -> dict[str, int]:
        """How many of these rows were left out, by reason."""
        return {reason: int((self.why_N[rows] == number).sum()) for number, reason in enumerate(self.reasons)}


class PairSelection(RowSelection):
    """The rows of a table of pairs that stay."""

    def __init__(self, table: PairTable):
        super().__init__(len(table))
        self.table = table

    @property
    def kept(self) -> PairTable:
        return self.table[self.stays_N]

    def nearly_repeated(self, settings: Prepare) -> dict[str, Mask]:
        """Of the rows that still stay, those that nearly repeat an earlier one."""
        from final_project.data.quality.near_duplicates import near_duplicates

        kept_N = self.stays_N
        texts = ("\n".join(sorted(map(normal_form, (p.sentence1, p.sentence2)))) for p in self.kept.pairs())
        first_of = near_duplicates(texts, settings.near_duplicates, settings.split_seed)
        mask = np.zeros(len(self.table), dtype=bool)
        mask[np.flatnonzero(kept_N)] = first_of != np.arange(len(first_of))
        return {"nearly repeated": mask}


def select_training(table: PairTable, known: Known, settings: Prepare) -> PairSelection:
    """Select labelled training pairs. A leak is a pair that will be scored, in either order."""
    prints, pairs = table.prints, table.prints.normal_pairs_N
    chosen = PairSelection(table)
    chosen.apply(settings.leaks, lambda: known.sharing_the_pair(prints))
    chosen.apply(settings.contradictions, lambda: {"contradicting": contradicting(pairs, prints.label_N)})
    keys = pairs * ODD + prints.label_N.astype(np.uint64)
    chosen.apply(settings.duplicates, lambda: {"repeated": repeating(keys)})
    if settings.near_duplicates:
        chosen.apply(settings.duplicates, lambda: chosen.nearly_repeated(settings))
    return chosen


def select_text(table: PairTable, known: Known, settings: Prepare) -> PairSelection:
    """Select pairs for masked-LM training. A leak is a pair with a sentence that will be scored."""
    prints = table.prints
    chosen = PairSelection(table)
    chosen.apply(settings.text_leaks, lambda: known.sharing_a_sentence(prints))
    chosen.apply(settings.text_duplicates, lambda: {"repeated": repeating(prints.normal_pairs_N)})
    if settings.near_duplicates:
        chosen.apply(settings.text_duplicates, lambda: chosen.nearly_repeated(settings))
    return chosen
