"""Where to cut: label = 1 iff P(1) >= t, with t swept exactly over the midpoints of the sorted dev scores.

Shapes: B pairs, M cuts, S resamples of the bootstrap.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from similarity_v0.decision.scores import Measure

ACCURACY = Measure("accuracy")
SAME = 1e-12  # values nearer to each other are equal: rounding must not decide between thresholds
RESAMPLES, LEVEL = 1000, 0.95
CHUNK_NUMBERS = 4_000_000  # counts held at a time while resampling


def best_threshold(scores_B: np.ndarray, labels_B: np.ndarray, measure: Measure = ACCURACY) -> tuple[float, float]:
    """(t, value): the threshold at which the measure is best, and its value there.

    Every distinct decision is tried: all below, between any two neighbouring scores, all above. Among equal values
    the threshold nearest to one half is taken. Raises ValueError on no scores or on scores that are not finite.
    """
    cuts = Cuts(scores_B, labels_B)
    counts = cuts.confusions()
    best = cuts.best(measure.worth(*counts))
    return float(cuts.thresholds_M[best]), float(measure.of_counts(*counts)[best])


class Cuts:
    """Every distinct way of cutting a set of scores. thresholds_M rises from "all are 1" to "all are 0"."""

    def __init__(self, scores_B: np.ndarray, labels_B: np.ndarray):
        scores = np.asarray(scores_B, dtype=np.float64)
        labels = np.asarray(labels_B, dtype=np.int64)
        if len(scores) == 0 or not np.isfinite(scores).all():
            raise ValueError("a threshold needs finite scores")
        self._order = np.argsort(scores, kind="stable")
        scores, self._labels = scores[self._order], labels[self._order]
        starts = np.flatnonzero(np.r_[True, scores[1:] > scores[:-1]])  # first of each run of equal scores
        middles = [_between(scores[at - 1], scores[at]) for at in starts[1:]]
        self.thresholds_M = np.array([scores[0], *middles, np.nextafter(scores[-1], math.inf)])
        self._n_below_M = np.r_[starts, len(scores)]  # how many scores each threshold leaves below it
        self._by_distance = np.argsort(np.abs(self.thresholds_M - 0.5), kind="stable")

    def confusions(self, weights_SB: np.ndarray | None = None) -> tuple[np.ndarray, ...]:
        """True positives, false positives, false negatives, true negatives of every cut: (M,) each, or (S, M) where
        weights say how often each pair counts."""
        weights = np.ones(len(self._labels), dtype=np.int64) if weights_SB is None else weights_SB[..., self._order]
        below = self._sums_below(weights)
        positive_below = self._sums_below(weights * self._labels)
        n_pairs, positive = below[..., -1:], positive_below[..., -1:]
        false_negative, true_negative = positive_below, below - positive_below
        return positive - positive_below, n_pairs - positive - true_negative, false_negative, true_negative

    def best(self, worth_M: np.ndarray) -> np.ndarray:
        """Place of the most worth along the last axis, the one with the threshold nearest to one half among equals."""
        worth = worth_M[..., self._by_distance]
        is_best = worth >= worth.max(axis=-1, keepdims=True) - SAME
        return self._by_distance[is_best.argmax(axis=-1)]

    def _sums_below(self, values: np.ndarray) -> np.ndarray:
        sums = np.cumsum(values, axis=-1)
        sums = np.concatenate([np.zeros_like(sums[..., :1]), sums], axis=-1)
        return sums[..., self._n_below_M]


@dataclass(frozen=True)
class Interval:
    """Percentile intervals of a bootstrap over pairs. low, high: of the best threshold. value_low, value_high: of the
    measure at the threshold that was found."""

    low: float
    high: float
    value_low: float
    value_high: float
    level: float = LEVEL
    resamples: int = RESAMPLES


def bootstrap_interval(
    scores_B: np.ndarray, labels_B: np.ndarray, measure: Measure = ACCURACY, seed: int = 0
) -> Interval:
    """How far the best threshold would wander on other dev sets of this size (Efron 1979): pairs are drawn with
    replacement, and the cuts of the whole set are tried on each draw. The same seed gives the same interval."""
    cuts = Cuts(scores_B, labels_B)
    chosen = cuts.best(measure.worth(*cuts.confusions()))
    generator, n_pairs = np.random.default_rng(seed), len(labels_B)
    thresholds, values = [], []
    at_a_time = max(1, CHUNK_NUMBERS // n_pairs)
    for done in range(0, RESAMPLES, at_a_time):
        n_draws = min(at_a_time, RESAMPLES - done)
        drawn = generator.integers(n_pairs, size=(n_draws, n_pairs)) + n_pairs * np.arange(n_draws)[:, None]
        weights_SB = np.bincount(drawn.ravel(), minlength=n_draws * n_pairs).reshape(n_draws, n_pairs)
        counts = cuts.confusions(weights_SB)
        thresholds.append(cuts.thresholds_M[cuts.best(measure.worth(*counts))])
        values.append(measure.of_counts(*counts)[:, chosen])
    tails = [(1 - LEVEL) / 2, (1 + LEVEL) / 2]
    low, high = np.quantile(np.concatenate(thresholds), tails)
    value_low, value_high = np.quantile(np.concatenate(values), tails)
    return Interval(float(low), float(high), float(value_low), float(value_high))


def margin_to_threshold(logit_margin: float) -> float:
    """The probability at which z1 - z0 reaches the margin: the original's fixed cut (0.94 -> 0.719)."""
    return 1.0 / (1.0 + math.exp(-logit_margin))


def _between(low: float, high: float) -> float:
    """The midpoint, or `high` itself where no number lies between: either way low < t <= high."""
    middle = low + (high - low) / 2
    return middle if middle > low else high
