"""The scores of predictions that pass by once: counts and one sum, however many rows there are."""

from __future__ import annotations

import numpy as np

EPSILON = np.finfo(np.float64).eps  # as scikit-learn's log_loss keeps probabilities away from 0 and 1


class StreamingScores:
    """counts[truth, decision]: rows so far."""

    def __init__(self) -> None:
        self.counts = np.zeros((2, 2), dtype=np.int64)
        self._nats = 0.0

    def add(self, probabilities_N: np.ndarray, decided_N: np.ndarray, truth_N: np.ndarray) -> None:
        """probabilities_N: P(1)."""
        np.add.at(self.counts, (truth_N, decided_N), 1)
        sure_N = np.where(truth_N == 1, probabilities_N, 1 - probabilities_N)
        self._nats -= float(np.log(np.clip(sure_N, EPSILON, 1 - EPSILON)).sum())

    def scores(self) -> dict[str, float]:
        """What scores_of gives for all rows at once: accuracy, f1 of class 1, macro-F1, loss in nats."""
        (true_negative, false_positive), (false_negative, true_positive) = self.counts.tolist()
        wrong, n_rows = false_positive + false_negative, int(self.counts.sum())
        f1, f1_of_0 = (2 * right / max(1, 2 * right + wrong) for right in (true_positive, true_negative))
        return {
            "accuracy": (n_rows - wrong) / n_rows,
            "f1": f1,
            "macro_f1": (f1 + f1_of_0) / 2,
            "loss": self._nats / n_rows,
        }
