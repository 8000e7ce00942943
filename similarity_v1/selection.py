"""Which words of a sentence go into the rationale: the highest scores, most important first."""

from __future__ import annotations

import math
from collections.abc import Sequence


def n_chosen(n_words: int, ratio: float) -> int:
    """k = ceil(ratio * W), the original's rule; at least one word wherever ratio > 0 and W > 0."""
    return math.ceil(ratio * n_words)


def select(scores_W: Sequence[float], ratio: float) -> tuple[int, ...]:
    """Positions from 0 of the k highest of W scores, highest first; ties go to the lower position."""
    ranked = sorted(range(len(scores_W)), key=lambda position: -scores_W[position])
    return tuple(ranked[: n_chosen(len(scores_W), ratio)])
