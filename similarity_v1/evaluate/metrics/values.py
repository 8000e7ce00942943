"""A figure as the values it is the mean of, one a row, so that intervals and paired tests can draw rows again.

The two public conventions differ in what is counted:
paddlenlp  the default: whatever is missing from the predictions scores 0, since all gold rows are counted
trustai    only gold rows that were predicted are counted
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from final_project.errors import RecipeError
from final_project.option_checks import find_problem

Convention = Literal["paddlenlp", "trustai"]
CONVENTIONS: tuple[Convention, ...] = ("paddlenlp", "trustai")
CLASSES = (0, 1)


def require_convention(convention: str) -> None:
    """Raises RecipeError where there is no such convention, which would otherwise count as the other one."""
    if fault := find_problem(Convention, {}, convention):
        raise RecipeError([f"convention: {fault}"])


@dataclass(frozen=True)
class Values:
    """ids_U name the rows; values_UK hold what is averaged, K numbers a row: one, or six of macro-F1.

    A figure is `of_means` applied to the K means.
    """

    ids_U: tuple[int, ...]
    values_UK: np.ndarray
    kind: Literal["mean", "macro_f1"] = "mean"

    @property
    def figure(self) -> float:
        return float(self.of_means(self.values_UK.mean(axis=0, keepdims=True))[0]) if len(self.ids_U) else 0.0

    def of_means(self, means_RK: np.ndarray) -> np.ndarray:
        """The figure of each of R sets of rows, from the means over those rows."""
        return means_RK[:, 0] if self.kind == "mean" else _macro_f1(means_RK)


def mean_of(values: Mapping[int, float]) -> Values:
    return Values(tuple(values), np.array([[float(value)] for value in values.values()]).reshape(-1, 1))


def macro_f1_of(ids: Sequence[int], truth: Sequence[int], answers: Sequence[int]) -> Values:
    """Macro-F1 is no mean of rows, but a function of means: for each class the rows right, true and answered so."""
    counts = [
        [count for label in CLASSES for count in (t == a == label, t == label, a == label)]
        for t, a in zip(truth, answers, strict=True)
    ]
    return Values(tuple(ids), np.array(counts, dtype=float).reshape(-1, 3 * len(CLASSES)), "macro_f1")


def _macro_f1(means_RK: np.ndarray) -> np.ndarray:
    """Unweighted mean over the classes that occur, as scikit-learn has it."""
    right, true, answered = (means_RK[:, part::3] for part in range(3))
    occurs = (true + answered) > 0
    f1 = np.divide(2 * right, true + answered, out=np.zeros_like(right), where=occurs)
    return f1.sum(axis=1) / np.maximum(occurs.sum(axis=1), 1)
