"""The map from a classifier's P(1) to a calibrated one: its form in decision.json and its use.

It never decreases, so it changes probabilities but not their order. similarity_v0/decision/fit_calibration.py fits it;
every loader of the folder applies it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

SMALLEST = 2.0**-50  # logit() clips p to [2^-50, 1 - 2^-50]; both ends are exact in float64


@dataclass(frozen=True)
class Calibration:
    """temperature and platt: sigmoid(slope * logit(p) + intercept), where the slope is one over the temperature; with
    two classes logit(p) is z1 - z0. isotonic: straight lines between knots (p, calibrated), level beyond the ends."""

    method: str
    slope: float = 1.0
    intercept: float = 0.0
    knots: tuple[tuple[float, float], ...] = ()

    def __post_init__(self):
        if self.method == "isotonic":
            rising = all(a[0] < b[0] and a[1] <= b[1] for a, b in pairwise(self.knots))
            if not self.knots or not rising:
                raise ValueError("isotonic knots must rise")
            if not all(0 <= number <= 1 for knot in self.knots for number in knot):
                raise ValueError("isotonic knots must be probabilities, from 0 to 1")
        elif self.method not in ("temperature", "platt"):
            raise ValueError(f"no calibration is called {self.method!r}")
        elif not 0 < self.slope < math.inf or not math.isfinite(self.intercept):
            raise ValueError(f"expected a slope above 0 and an intercept, found {self.slope} and {self.intercept}")

    def __call__(self, probability_B: np.ndarray) -> np.ndarray:
        """P(1), any shape -> calibrated P(1)."""
        if self.method == "isotonic":
            x, y = np.array(self.knots).T
            return np.interp(probability_B, x, y)
        return sigmoid(self.slope * logit(probability_B) + self.intercept)

    def facts(self) -> dict[str, Any]:
        """The JSON form; `from_facts` reads it."""
        if self.method == "isotonic":
            return {"method": self.method, "knots": [list(knot) for knot in self.knots]}
        return {"method": self.method, "slope": self.slope, "intercept": self.intercept}

    @classmethod
    def from_facts(cls, facts: dict[str, Any]) -> Calibration:
        """Raises KeyError, TypeError or ValueError on anything that facts() does not write."""
        if facts["method"] == "isotonic":
            return cls("isotonic", knots=tuple((float(x), float(y)) for x, y in facts["knots"]))
        return cls(facts["method"], float(facts["slope"]), float(facts["intercept"]))


def logit(probability_B: np.ndarray) -> np.ndarray:
    p = np.clip(np.asarray(probability_B, dtype=np.float64), SMALLEST, 1 - SMALLEST)
    return np.log(p) - np.log1p(-p)


def sigmoid(logit_B: np.ndarray) -> np.ndarray:
    """1 / (1 + exp(-x)) without overflow."""
    return np.exp(-np.logaddexp(0.0, -np.asarray(logit_B, dtype=np.float64)))
