"""How high word scores rank the marked words of one sentence, as ERASER measures it (DeYoung et al., 2020)."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np

from final_project.errors import RecipeError


def ranking(scores_W: Sequence[float], marked: Collection[int]) -> dict[str, float]:
    """How high one sentence's word scores put the marked positions, as scikit-learn measures it: auprc,
    average_precision and roc_auc; 0 where nothing is marked, roc_auc also where everything is. Raises RecipeError where
    a score is not finite or a marked position has no word: neither has a rank."""
    problems = [
        f"marked: no word {position}, there are {len(scores_W)}"
        for position in marked
        if position not in range(len(scores_W))
    ]
    if not np.isfinite(np.asarray(scores_W, dtype=float)).all():
        problems.append("scores: expected finite numbers")
    if problems:
        raise RecipeError(problems)
    if not marked:
        return {"auprc": 0.0, "average_precision": 0.0, "roc_auc": 0.0}
    order = np.argsort(-np.asarray(scores_W, dtype=float), kind="stable")
    sorted_W = np.asarray(scores_W, dtype=float)[order]
    last_of_ties = np.flatnonzero(np.append(sorted_W[1:] != sorted_W[:-1], True))
    right = np.cumsum(np.isin(order, list(marked)))[last_of_ties]
    wrong = last_of_ties + 1 - right
    precision = np.concatenate([[1.0], right / (last_of_ties + 1)])
    rise = np.diff(np.concatenate([[0], right])) / right[-1]
    above = (np.concatenate([[0], right[:-1]]) + right) / 2  # marked words above a wrong one, ties counting half
    n_wrong_above = np.diff(np.concatenate([[0], wrong]))
    return {
        "auprc": float(np.sum(rise * (precision[1:] + precision[:-1]) / 2)),
        "average_precision": float(np.sum(rise * precision[1:])),
        "roc_auc": float(np.sum(n_wrong_above * above) / (wrong[-1] * right[-1])) if wrong[-1] else 0.0,
    }
