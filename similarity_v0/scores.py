"""Figures of a set of predictions."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import accuracy_score, f1_score, log_loss


def scores_of(probabilities_B: np.ndarray, labels_B: np.ndarray, threshold: float) -> dict[str, float]:
    """accuracy, f1 of class 1, macro-F1 and loss (mean negative log-likelihood, nats) at a threshold on P(1)."""
    predicted = probabilities_B >= threshold
    return {
        "accuracy": float(accuracy_score(labels_B, predicted)),
        "f1": float(f1_score(labels_B, predicted, zero_division=0.0)),
        "macro_f1": float(f1_score(labels_B, predicted, average="macro", labels=[0, 1], zero_division=0.0)),
        "loss": float(log_loss(labels_B, probabilities_B, labels=[0, 1])),
    }
