"""Whether a classifier has learnt anything: its accuracy on dev compared with baselines that need no training.

The probabilities and rationales of a model that is no better than its baselines mean nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

Z_95 = 1.959963984540054  # two-sided 95 % quantile of the normal distribution


@dataclass(frozen=True)
class Learning:
    """accuracy on so many rows; low, high: its 95 % interval (Wilson 1927). majority: accuracy of always giving the
    more frequent label. overlap: that of a regression on shared characters, None where it was not measured."""

    rows: int
    accuracy: float
    low: float
    high: float
    majority: float
    overlap: float | None

    @classmethod
    def of(cls, decided_B: np.ndarray, labels_B: np.ndarray, overlap: float | None) -> Learning:
        """decided_B, labels_B: decisions and labels of B >= 1 pairs, 0 or 1."""
        right, rows = int((decided_B == labels_B).sum()), len(labels_B)
        ones = float(np.mean(labels_B))
        return cls(rows, right / rows, *wilson_interval(right, rows), max(ones, 1 - ones), overlap)

    @property
    def is_nothing(self) -> bool:
        """Whether the interval reaches down to one of the baselines."""
        return self.low <= max(self.majority, self.overlap or 0.0)

    def __str__(self) -> str:
        and_overlap = f"; character overlap: {self.overlap:.4f}" if self.overlap is not None else ""
        return (
            f"dev accuracy {self.accuracy:.4f} (95 %: {self.low:.4f} - {self.high:.4f}, {self.rows:,} pairs); "
            f"always the more frequent label: {self.majority:.4f}{and_overlap}"
        )


def wilson_interval(right: int, rows: int) -> tuple[float, float]:
    """95 % interval of a share, right of rows."""
    share, spread = right / rows, Z_95**2 / rows
    middle = share + spread / 2
    half = math.sqrt(spread * (share * (1 - share) + spread / 4))
    return (middle - half) / (1 + spread), (middle + half) / (1 + spread)
