"""Figures of predicted scores against those that people gave: of each target, and over targets.

n, rmse, mae, bias (mean of prediction - given), pearson, spearman (mean ranks), r2 (1 - SS / SS about the set's own
mean), and of predictions rounded to the scale's steps qwk (Cohen's kappa with quadratic weights over all steps),
rmse_rounded, exact and within_step (shares). mcrmse is the mean over targets of rmse (mean columnwise RMSE).
None where a figure is not defined, never NaN: a correlation with a constant, r2 of equal scores, qwk where the
disagreement expected by chance is 0, whatever rests on steps where the scale has none.
Shapes: N rows, C targets.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.stats import rankdata

from final_project.model.scale import Scale

Figures = dict[str, float | int | None]
OVER_TARGETS = ("mae", "pearson", "spearman", "qwk")  # the mean over the targets that have them


def score_figures(predicted_NC: np.ndarray, given_NC: np.ndarray, scale: Scale) -> dict[str, Any]:
    """`mcrmse`, the means of OVER_TARGETS, and `targets`: the figures of each by name. given_NC: NaN where unknown."""
    targets = {
        name: target_figures(predicted_NC[:, c], given_NC[:, c], scale.at(c)) for c, name in enumerate(scale.names)
    }
    return {
        "mcrmse": mean_of(targets, "rmse"),
        **{name: mean_of(targets, name) for name in OVER_TARGETS},
        "targets": targets,
    }


def flat_figures(figures: Mapping[str, Any]) -> dict[str, float]:
    """The figures of a log line and of a record: those over targets, and rmse_<name>; undefined ones are left out."""
    found = {name: value for name, value in figures.items() if name != "targets"}
    found |= {f"rmse_{name}": target["rmse"] for name, target in figures["targets"].items()}
    return {name: value for name, value in found.items() if value is not None}


def mean_of(targets: Mapping[str, Figures], name: str) -> float | None:
    values = [value for figures in targets.values() if (value := figures[name]) is not None]
    return float(np.mean(values)) if values else None


def target_figures(predicted_N: np.ndarray, given_N: np.ndarray, scale: Scale) -> Figures:
    """The figures of one target, over the rows where it is known."""
    known_N = np.isfinite(given_N)
    predicted_N, given_N = predicted_N[known_N].astype(np.float64), given_N[known_N].astype(np.float64)
    if not len(given_N):
        names = ["rmse", "mae", "bias", "pearson", "spearman", "r2", "qwk", "rmse_rounded", "exact", "within_step"]
        return {"n": 0, **dict.fromkeys(names)}
    errors_N = predicted_N - given_N
    about_mean = float(np.square(given_N - given_N.mean()).sum())
    figures: Figures = {
        "n": len(given_N),
        "rmse": float(np.sqrt(np.square(errors_N).mean())),
        "mae": float(np.abs(errors_N).mean()),
        "bias": float(errors_N.mean()),
        "pearson": pearson(predicted_N, given_N),
        "spearman": pearson(rankdata(predicted_N), rankdata(given_N)),
        "r2": 1 - float(np.square(errors_N).sum()) / about_mean if np.ptp(given_N) else None,
    }
    return figures | _rounded_figures(predicted_N, given_N, scale)


def _rounded_figures(predicted_N: np.ndarray, given_N: np.ndarray, scale: Scale) -> Figures:
    if not scale.step:
        return dict.fromkeys(("qwk", "rmse_rounded", "exact", "within_step"))
    errors_N = scale.rounded(predicted_N) - given_N
    tolerance = 1e-9 * scale.step
    return {
        "qwk": quadratic_kappa(scale.steps_of(predicted_N), scale.steps_of(given_N), scale.n_steps + 1),
        "rmse_rounded": float(np.sqrt(np.square(errors_N).mean())),
        "exact": float((np.abs(errors_N) <= tolerance).mean()),
        "within_step": float((np.abs(errors_N) <= scale.step + tolerance).mean()),
    }


def pearson(a_N: np.ndarray, b_N: np.ndarray) -> float | None:
    if len(a_N) < 2 or not np.ptp(a_N) or not np.ptp(b_N):
        return None
    a_N, b_N = a_N - a_N.mean(), b_N - b_N.mean()
    spread = float(np.sqrt(np.square(a_N).sum() * np.square(b_N).sum()))
    return float((a_N * b_N).sum()) / spread if spread else None


def quadratic_kappa(one_N: np.ndarray, other_N: np.ndarray, n_classes: int) -> float | None:
    """Cohen's kappa with weights (i - j)^2 (Cohen 1968). one_N, other_N: numbers of classes from 0."""
    observed = np.zeros((n_classes, n_classes))
    np.add.at(observed, (one_N, other_N), 1)
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0)) / len(one_N)
    weights = np.square(np.arange(n_classes)[:, None] - np.arange(n_classes))
    by_chance = float((weights * expected).sum())
    return 1 - float((weights * observed).sum()) / by_chance if by_chance else None
