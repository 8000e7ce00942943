"""Where to cut: label = 1 iff P(1) >= t, with t swept exactly over the midpoints of the sorted dev scores."""

from __future__ import annotations

import math

import numpy as np


def best_threshold(scores_B: np.ndarray, labels_B: np.ndarray, metric: str = "accuracy") -> tuple[float, float]:
    """(t, value): the threshold with the highest accuracy or F1, and that value.

    Every distinct decision is tried: all below, between any two neighbouring scores, all above. Among equal values
    the threshold nearest to one half is taken. Raises ValueError on no scores or on scores that are not finite.
    """
    scores = np.asarray(scores_B, dtype=np.float64)
    labels = np.asarray(labels_B, dtype=np.int64)
    if len(scores) == 0 or not np.isfinite(scores).all():
        raise ValueError("a threshold needs finite scores")
    order = np.argsort(scores, kind="stable")
    scores, labels = scores[order], labels[order]
    starts = np.flatnonzero(np.r_[True, scores[1:] > scores[:-1]])  # first of each run of equal scores
    middles = [_between(scores[at - 1], scores[at]) for at in starts[1:]]
    thresholds = np.array([scores[0], *middles, np.nextafter(scores[-1], math.inf)])
    n_negative_side = np.r_[starts, len(scores)]  # how many scores each threshold leaves below it
    positives_below = np.r_[0, np.cumsum(labels)][n_negative_side]
    true_positive = labels.sum() - positives_below
    predicted_positive = len(labels) - n_negative_side
    if metric == "f1":
        values = 2 * true_positive / np.maximum(1, predicted_positive + labels.sum())
    else:
        true_negative = n_negative_side - positives_below
        values = (true_positive + true_negative) / len(labels)
    best = np.flatnonzero(values == values.max())
    chosen = best[np.abs(thresholds[best] - 0.5).argmin()]
    return float(thresholds[chosen]), float(values[chosen])


def threshold_of_margin(logit_margin: float) -> float:
    """The probability at which z1 - z0 reaches the margin: the original's fixed cut (0.94 -> 0.719)."""
    return 1.0 / (1.0 + math.exp(-logit_margin))


def _between(low: float, high: float) -> float:
    """The midpoint, or `high` itself where no number lies between: either way low < t <= high."""
    middle = low + (high - low) / 2
    return middle if middle > low else high
