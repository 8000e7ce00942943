"""Scores are learnt on a scale of their own: y = mean + factor * z, z what the head computes.

mean and factor come from the training rows of this model alone. They are folded into the last layer when a model is
saved, so that a folder answers in points to everybody. Shapes: R training rows, C targets.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from final_project.errors import DataError

ScaleName = Literal["none", "centre", "standard"]


@dataclass(frozen=True)
class TargetScale:
    """mean_C, factor_C: of each target."""

    mean_C: np.ndarray
    factor_C: np.ndarray

    @classmethod
    def of(cls, kind: ScaleName, given_RC: np.ndarray, names: tuple[str, ...]) -> TargetScale:
        """kind: none = (0, 1), centre = (mean, 1), standard = (mean, standard deviation of the rows) of the known
        scores. Raises DataError where a target does not vary, so that there is nothing to learn."""
        for name, given_R in zip(names, given_RC.T, strict=True):
            known_R = given_R[np.isfinite(given_R)]
            if not len(known_R) or not np.ptp(known_R):
                what = "no known score" if not len(known_R) else f"all scores {known_R[0]:g}"
                raise DataError("train.csv", f"{name}: the training rows have {what}: there is nothing to learn from")
        n_targets = given_RC.shape[1]
        zeros_C, ones_C = np.zeros(n_targets), np.ones(n_targets)
        if kind == "none":
            return cls(zeros_C, ones_C)
        return cls(np.nanmean(given_RC, axis=0), np.nanstd(given_RC, axis=0) if kind == "standard" else ones_C)
