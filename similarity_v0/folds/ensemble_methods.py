"""Several classifiers' P(1) of the same pairs become one, by one of four rules.

mean      the mean of the probabilities
logit     sigmoid of the mean of the logits: the geometric mean of the odds
rank      the mean of the ranks among the rows, 1/(2B) for the lowest to 1 - 1/(2B) for the highest, equal ones sharing
          theirs. It orders the rows of one set and is no probability: another set's threshold holds for it only where
          both labels have the same shares
weighted  a weighted mean of the probabilities; weights are at least 0, sum to 1, and have the lowest log loss on pairs
          that no model was trained on. The loss is convex in them, so there is one lowest value
Shapes: M models, B pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from scipy.optimize import minimize
from scipy.stats import rankdata

from final_project.model.calibration import SMALLEST, logit, sigmoid

Method = Literal["mean", "logit", "rank", "weighted"]
METHODS: tuple[Method, ...] = ("mean", "logit", "rank", "weighted")


def combined(
    method: Method, probabilities_MB: Sequence[np.ndarray], weights_M: Sequence[float] | np.ndarray | None = None
) -> np.ndarray:
    """The ensemble's P(1), (B,). weights_M: for `weighted` alone, which needs them."""
    p_MB = np.asarray(probabilities_MB, dtype=np.float64)
    if method == "mean":
        return p_MB.mean(axis=0)
    if method == "logit":
        return sigmoid(logit(p_MB).mean(axis=0))
    if method == "rank":
        return ((rankdata(p_MB, axis=1) - 0.5) / p_MB.shape[1]).mean(axis=0)
    return np.asarray(weights_M) @ p_MB


def fitted_weights(probabilities_MB: Sequence[np.ndarray], labels_B: np.ndarray) -> np.ndarray:
    """Weights (M,) of the weighted mean with the lowest log loss on these pairs. Models that say the same share it."""
    p_MB = np.asarray(probabilities_MB, dtype=np.float64)
    right_MB = np.clip(np.where(np.asarray(labels_B) == 1, p_MB, 1 - p_MB), SMALLEST, None)
    n_models = len(p_MB)

    def loss(weights_M: np.ndarray) -> tuple[float, np.ndarray]:
        mixed_B = weights_M @ right_MB
        return -np.mean(np.log(mixed_B)), -np.mean(right_MB / mixed_B, axis=1)

    found = minimize(
        loss, np.full(n_models, 1 / n_models), jac=True, method="SLSQP", bounds=[(0, 1)] * n_models,
        constraints={"type": "eq", "fun": lambda w: w.sum() - 1, "jac": lambda w: np.ones_like(w)},
        options={"ftol": 1e-14, "maxiter": 1000},
    )  # fmt: skip
    weights_M = np.where(found.x > 1e-9, found.x, 0.0)
    return weights_M / weights_M.sum()
