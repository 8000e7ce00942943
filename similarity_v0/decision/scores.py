"""Figures of a set of predictions, and the measures that a threshold can be chosen by."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from sklearn.metrics import accuracy_score, f1_score, log_loss

from final_project.settings import SimilarityV0

MeasureName = Literal["accuracy", "f1", "mcc", "cost"]


@dataclass(frozen=True)
class Measure:
    """How good a set of decisions is, by the counts of its confusion matrix.

    accuracy; f1 of class 1; mcc, Matthews' correlation coefficient (Matthews 1975), 0 where a row or column of the
    matrix is empty, as scikit-learn has it; cost, the mean cost of a pair where wrong decisions have a price.
    """

    name: MeasureName = "accuracy"
    false_positive_cost: float = 1.0
    false_negative_cost: float = 1.0

    def of_counts(self, true_positive, false_positive, false_negative, true_negative) -> np.ndarray:
        """The measure itself; arrays of counts of one shape, of pairs that are at least one."""
        n_pairs = true_positive + false_positive + false_negative + true_negative
        if self.name == "accuracy":
            return (true_positive + true_negative) / n_pairs
        if self.name == "f1":
            return 2 * true_positive / np.maximum(1, 2 * true_positive + false_positive + false_negative)
        if self.name == "cost":
            price = self.false_positive_cost * false_positive + self.false_negative_cost * false_negative
            return price / n_pairs
        called, positive = true_positive + false_positive, true_positive + false_negative
        # float64 from here on: the product of four counts outgrows 64-bit integers
        spread = np.sqrt(1.0 * called * (n_pairs - called)) * np.sqrt(1.0 * positive * (n_pairs - positive))
        covariance = 1.0 * true_positive * true_negative - 1.0 * false_positive * false_negative
        return np.divide(covariance, spread, out=np.zeros_like(spread), where=spread > 0)

    def worth(self, *counts) -> np.ndarray:
        """The same as a number of which more is better."""
        return -self.of_counts(*counts) if self.name == "cost" else self.of_counts(*counts)

    def of_decisions(self, decided_B: np.ndarray, labels_B: np.ndarray) -> float:
        decided, truth = np.asarray(decided_B, dtype=bool), np.asarray(labels_B, dtype=bool)
        counts = [np.array([np.sum(a & b)]) for a, b in
                  ((decided, truth), (decided, ~truth), (~decided, truth), (~decided, ~truth))]  # fmt: skip
        return float(self.of_counts(*counts)[0])


def choose_measure(settings: SimilarityV0) -> Measure:
    """The metric that the threshold maximises; auto: that which picks the checkpoint, if a threshold can raise it."""
    name = settings.threshold_metric
    if name == "auto":
        name = settings.best_by if settings.best_by in ("f1", "mcc") else "accuracy"
    return Measure(name, settings.false_positive_cost, settings.false_negative_cost)


def scores_of(probabilities_B: np.ndarray, labels_B: np.ndarray, threshold: float, *also: Measure) -> dict[str, float]:
    """accuracy, f1 of class 1, macro-F1 and loss (mean negative log-likelihood, nats) at a threshold on P(1);
    `also` adds measures that are not among them."""
    predicted = probabilities_B >= threshold
    scores = {
        "accuracy": float(accuracy_score(labels_B, predicted)),
        "f1": float(f1_score(labels_B, predicted, zero_division=0.0)),
        "macro_f1": float(f1_score(labels_B, predicted, average="macro", labels=[0, 1], zero_division=0.0)),
        "loss": float(log_loss(labels_B, probabilities_B, labels=[0, 1])),
    }
    return {**{measure.name: measure.of_decisions(predicted, labels_B) for measure in also}, **scores}
