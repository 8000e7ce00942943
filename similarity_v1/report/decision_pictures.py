"""What the report draws of decisions and rationales: threshold, share chosen, agreement."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, starmap
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import rankdata

from final_project.data.files.predictions import read_predictions
from final_project.data.files.tables import iter_pairs
from final_project.errors import DataError
from similarity_v1.pages.wording import SETS, Text
from similarity_v1.report.curves import Chart, draw, ticks
from similarity_v1.report.data_pictures import Cell, HeatMap
from similarity_v1.report.lengths import Histograms, histograms

N_THRESHOLDS = 200
SHARE_EDGES = tuple(range(0, 101, 5))  # per cent; the last bin holds sentences of which every word is chosen


@dataclass(frozen=True)
class LabelledScores:
    """Scores of one labelled set: P(1) and the right label, a row each."""

    probabilities_B: np.ndarray
    labels_B: np.ndarray


def read_labelled(path: Path, labels_file: Path) -> LabelledScores | None:
    """`row,probability,label` as similarity_v0 writes it (that label is the decided one), with the right labels of the
    set; None where either file is absent or the set has no labels. Raises DataError where they do not fit."""
    if not path.is_file() or not labels_file.is_file():
        return None
    labels = [pair.label for pair in iter_pairs(labels_file)]
    probabilities_B, _ = read_predictions(path)
    if len(labels) != len(probabilities_B):
        raise DataError(path, f"{len(probabilities_B)} rows, but {labels_file} has {len(labels)}")
    return LabelledScores(probabilities_B, np.array(labels)) if set(labels) <= {0, 1} and labels else None


def threshold_chart(sets: Mapping[str, LabelledScores], threshold: float | None) -> Chart | None:
    """Accuracy as a function of the threshold, a line a set; the one in use is marked."""
    if not sets:
        return None
    grid = np.linspace(0, 1, N_THRESHOLDS + 1)
    curves = []
    for name, rows in sets.items():
        accuracy = [float(((rows.probabilities_B >= level) == rows.labels_B).mean()) for level in grid]
        curves.append((SETS[name], list(zip(grid.tolist(), accuracy, strict=True))))
    lowest = min(value for _, points in curves for _, value in points)
    highest = max(value for _, points in curves for _, value in points)
    return draw(
        Text("Accuracy by threshold", "准确率随阈值的变化"), Text("threshold on P(1)", "P(1) 的阈值"), curves,
        x_ticks=[0, 0.25, 0.5, 0.75, 1], y_ticks=ticks(lowest, highest), mark=threshold,
    )  # fmt: skip


def share_chosen(rows: Sequence[Mapping[str, Any]]) -> Histograms | None:
    """Per chain, the share of the words that is chosen in a sentence, in per cent."""
    shares: dict[str, list[int]] = {}
    for row in rows:
        for chain, sides in row["chosen"].items():
            found = shares.setdefault(chain, [])
            found += [100 * len(set(side)) // len(words) for side, words in zip(sides, row["words"], strict=True)]
    if not shares:
        return None
    facts = {
        chain: {
            "length_histogram": np.bincount(np.array(found) // 5, minlength=len(SHARE_EDGES)).tolist(),
            "length_chars": {"0.5": int(np.median(found)), "0.99": int(np.quantile(found, 0.99))},
        }
        for chain, found in shares.items()
    }
    return histograms(facts, SHARE_EDGES)


def agreement_of_methods(rows: Sequence[Mapping[str, Any]]) -> HeatMap | None:
    """Spearman's rank correlation of two methods' word scores, averaged over sentences where neither is constant.

    None where fewer than two methods were run.
    """
    names = _keys(row["scores"] for row in rows)
    if len(names) < 2:
        return None
    ranked = [_ranks(row["scores"]) for row in rows]
    return _agreement(names, ranked, _correlation)


def agreement_of_chains(rows: Sequence[Mapping[str, Any]]) -> HeatMap | None:
    """How much two chains choose the same words: words in both of words in either, its mean over sentences."""
    names = _keys(row["chosen"] for row in rows)
    chosen = [{chain: [set(side) for side in sides] for chain, sides in row["chosen"].items()} for row in rows]
    return _agreement(names, chosen, lambda one, other: len(one & other) / len(one | other) if one | other else None)


def _keys(found: Iterable[Mapping[str, Any]]) -> list[str]:
    return list(dict.fromkeys(key for mapping in found for key in mapping))


def _ranks(scores: Mapping[str, Sequence[Sequence[float]]]) -> dict[str, list[np.ndarray]]:
    """Ranks of each side's scores, moved to mean 0 and length 1: a correlation is then their product."""
    return {method: [_standard(rankdata(side)) for side in sides] for method, sides in scores.items()}


def _standard(ranks_W: np.ndarray) -> np.ndarray:
    centred = ranks_W - ranks_W.mean()
    return centred / (math.sqrt(float(centred @ centred)) or 1.0)


def _correlation(one_W: np.ndarray, other_W: np.ndarray) -> float | None:
    return float(one_W @ other_W) if one_W.any() and other_W.any() else None


def _agreement(names: Sequence[str], rows: Sequence[Mapping[str, Any]], measure: Any) -> HeatMap:
    means = {}
    for own, other in combinations(names, 2):
        both = [zip(row[own], row[other], strict=True) for row in rows if own in row and other in row]
        found = [value for sides in both for value in starmap(measure, sides) if value is not None]
        means[own, other] = means[other, own] = sum(found) / len(found) if found else None
    return HeatMap(
        tuple(names),
        tuple((own, tuple(_cell(own, other, means.get((own, other))) for other in names)) for own in names),
    )


def _cell(own: str, other: str, mean: float | None) -> Cell:
    if own == other:
        return Cell(kind="own")
    if mean is None:
        return Cell(text="–")
    return Cell(round(max(mean, 0.0), 2), f"{mean:.2f}", f"{own} – {other}: {mean:.3f}")
