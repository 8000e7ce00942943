"""Faithfulness: does the model need the chosen words, and does it need no others?

For each row the model answers three texts: the full pair, the chosen words alone, and the words that are left. y is the
model's own label for the full pair.

sufficiency        mean(P_full[y] - P_chosen[y]); lower is better
comprehensiveness  mean(P_full[y] - P_rest[y]); higher is better
new_p              share of rows whose chosen words alone keep the label while the rest lose it
decision_flip      share of rows whose rest lose the label
AOPC               the first two as means over several shares of the words, most important first (ERASER)
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from similarity_v1.evaluate.metrics.values import Values, mean_of


@dataclass(frozen=True)
class Removal:
    """The model's answers for one row. Probabilities are those of `label`, the model's own for the full pair."""

    label: int
    full: float
    chosen: float
    rest: float
    label_of_chosen: int
    label_of_rest: int

    @property
    def flips(self) -> bool:
        return self.label_of_rest != self.label

    @property
    def is_new_p(self) -> bool:
        return self.label_of_chosen == self.label and self.flips


def removal_values(rows: Mapping[int, Removal], asked: Collection[int] | None = None) -> dict[str, Values]:
    """The four figures over the rows. `asked`: all ids that new_p and decision_flip are divided by (default: the rows);
    one without an answer counts as 0 there."""
    ids = list(rows if asked is None else asked)
    return {
        "sufficiency": mean_of({id_: row.full - row.chosen for id_, row in rows.items()}),
        "comprehensiveness": mean_of({id_: row.full - row.rest for id_, row in rows.items()}),
        "new_p": mean_of({id_: float(id_ in rows and rows[id_].is_new_p) for id_ in ids}),
        "decision_flip": mean_of({id_: float(id_ in rows and rows[id_].flips) for id_ in ids}),
    }


def aopc(ids: Sequence[int], full_U: Sequence[float], removed_US: Sequence[Sequence[float]]) -> Values:
    """P_full[y] - P_removed[y] as the mean over S shares of the words; removed_US: one probability a row and share."""
    drops_US = np.asarray(full_U, dtype=float)[:, None] - np.asarray(removed_US, dtype=float)
    return mean_of(dict(zip(ids, drops_US.mean(axis=1).tolist(), strict=True)))
