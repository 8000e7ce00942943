"""Agreement of chosen with marked words as ERASER measures it (DeYoung et al., 2020): tokens, spans, and rankings.

An instance is one sentence. Chosen and marked are sets of hashable places: positions, or spans (first, one past the
last). micro: over all places of all instances; macro: the mean over instances.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Mapping, Sequence

import numpy as np

from final_project.errors import RecipeError
from final_project.option_checks import problem_of

Span = tuple[int, int]
Places = Mapping[str, Collection[Hashable]]  # instance -> its places
Scores = dict[str, float]


def places_prf(
    marked: Mapping[str, Collection[Hashable]], chosen: Mapping[str, Collection[Hashable]]
) -> dict[str, Scores]:
    """Precision, recall and F1 of exactly equal places, micro and macro; macro F1 is the mean of the instances' F1."""
    names = sorted(marked.keys() | chosen.keys())
    counts = []
    for name in names:
        gold, mine = set(marked.get(name, ())), set(chosen.get(name, ()))
        counts.append((len(gold & mine), len(mine), len(gold)))
    each = [_prf(*count) for count in counts]
    return {
        "micro": _prf(*(sum(column) for column in zip(*counts, strict=True))),
        "macro": {key: float(np.mean([scores[key] for scores in each])) for key in ("p", "r", "f1")},
    }


def partial_match(
    marked: Mapping[str, Sequence[Span]], chosen: Mapping[str, Sequence[Span]], threshold: float
) -> dict[str, Scores]:
    """Precision, recall and F1 of spans, where a chosen span is right if its IOU with some marked span reaches the
    threshold. Macro F1 is that of the mean precision and the mean recall. Raises RecipeError where the threshold is no
    number above 0 and at most 1: at 0 every span would be right."""
    if said := problem_of(float, {"gt": 0, "le": 1}, threshold):
        raise RecipeError([f"threshold: {said}"])
    hits = {
        name: sum(_best_iou(span, marked.get(name, ())) >= threshold for span in spans)
        for name, spans in chosen.items()
    }
    micro = _prf(sum(hits.values()), sum(map(len, chosen.values())), sum(map(len, marked.values())))
    p = _mean([hits[name] / len(spans) if spans else 0.0 for name, spans in chosen.items()])
    r = _mean([hits.get(name, 0) / len(spans) if spans else 0.0 for name, spans in marked.items()])
    return {"micro": micro, "macro": {"p": p, "r": r, "f1": _f1(p, r)}}


def spans_of(places: Collection[int]) -> list[Span]:
    """Runs of neighbouring positions, in order."""
    spans: list[Span] = []
    for place in sorted(set(places)):
        if spans and spans[-1][1] == place:
            spans[-1] = (spans[-1][0], place + 1)
        else:
            spans.append((place, place + 1))
    return spans


def ranking(scores_W: Sequence[float], marked: Collection[int]) -> Scores:
    """How high one sentence's word scores put the marked positions, as scikit-learn measures it: auprc,
    average_precision and roc_auc; 0 where nothing is marked, roc_auc also where everything is. Raises RecipeError where
    a score is not finite or a marked position has no word: neither has a rank."""
    problems = [
        f"marked: no word {place}, there are {len(scores_W)}" for place in marked if place not in range(len(scores_W))
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


def _best_iou(span: Span, others: Sequence[Span]) -> float:
    return max((_span_iou(span, other) for other in others), default=0.0)


def _span_iou(a: Span, b: Span) -> float:
    both = max(0, min(a[1], b[1]) - max(a[0], b[0]))
    either = (a[1] - a[0]) + (b[1] - b[0]) - both
    return both / either if either else 0.0


def _prf(n_right: int, n_chosen: int, n_marked: int) -> Scores:
    p = n_right / n_chosen if n_chosen else 0.0
    r = n_right / n_marked if n_marked else 0.0
    return {"p": p, "r": r, "f1": _f1(p, r)}


def _f1(p: float, r: float) -> float:
    return 2 * p * r / (p + r) if p and r else 0.0


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values) if values else 0.0
