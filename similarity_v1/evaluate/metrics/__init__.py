"""The field's metrics of rationales, in the conventions of the two public evaluators (see `values`).

A figure is a mean over rows; `values` keeps what it is the mean of, `resampling` says how sure it is.
"""

from __future__ import annotations

from similarity_v1.evaluate.metrics.consistency import average_precision, chosen_words, pair_map_from_gold
from similarity_v1.evaluate.metrics.marked import ranking
from similarity_v1.evaluate.metrics.plausibility import best_gold_set, iou, plausibility_of, token_f1
from similarity_v1.evaluate.metrics.removal import Removal, aopc, removal_values
from similarity_v1.evaluate.metrics.resampling import Comparison, compare, intervals
from similarity_v1.evaluate.metrics.values import (
    CONVENTIONS,
    Convention,
    Values,
    macro_f1_of,
    mean_of,
    require_convention,
)

__all__ = [
    "CONVENTIONS",
    "Comparison",
    "Convention",
    "Removal",
    "Values",
    "aopc",
    "average_precision",
    "best_gold_set",
    "chosen_words",
    "compare",
    "intervals",
    "iou",
    "macro_f1_of",
    "mean_of",
    "pair_map_from_gold",
    "plausibility_of",
    "ranking",
    "removal_values",
    "require_convention",
    "token_f1",
]
