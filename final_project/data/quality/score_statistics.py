"""Figures about texts and their scores or labels, for statistics.json, and as lines of the log."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from final_project.data.quality.statistics import quantiles
from final_project.data.quality.strata import MOST_VALUES, score_matrix
from final_project.data.records import TextRow


def describe_texts(rows: Sequence[TextRow], names: Sequence[str]) -> dict[str, Any]:
    """Rows, lengths in characters and words, and of each score n, mean, standard deviation (of the whole set) and
    counts by value, with the matrix of their correlations; of labels the counts by name."""
    facts: dict[str, Any] = {
        "rows": len(rows),
        "length_chars": quantiles(np.array([len(row.text) for row in rows])),
        "length_words": quantiles(np.array([len(row.text.split()) for row in rows])),
    }
    if rows and not rows[0].scores:
        return facts | {"labels": dict(sorted(Counter(row.label for row in rows if row.label is not None).items()))}
    scores_NC = score_matrix(rows).reshape(len(rows), len(names))
    facts["targets"] = {name: _describe(scores_N) for name, scores_N in zip(names, scores_NC.T, strict=True)}
    return facts | {"correlations": correlations(scores_NC)}


def _describe(scores_N: np.ndarray) -> dict[str, Any]:
    known_N = scores_N[np.isfinite(scores_N)]
    if not len(known_N):
        return {"n": 0, "mean": None, "sd": None, "counts": {}}
    values, counts = np.unique(known_N, return_counts=True)
    by_value = dict(zip((f"{value:g}" for value in values), counts.tolist(), strict=True))
    return {
        "n": len(known_N),
        "mean": float(known_N.mean()),
        "sd": float(known_N.std()),
        "counts": by_value if len(values) <= max(MOST_VALUES, 101) else {},
    }


def correlations(scores_NC: np.ndarray) -> list[list[float | None]]:
    """(C, C) Pearson's, over the rows where both scores are known; None where one of them does not vary."""
    n_targets = scores_NC.shape[1]
    return [[_pearson(scores_NC[:, a], scores_NC[:, b]) for b in range(n_targets)] for a in range(n_targets)]


def _pearson(a_N: np.ndarray, b_N: np.ndarray) -> float | None:
    known_N = np.isfinite(a_N) & np.isfinite(b_N)
    a_N, b_N = a_N[known_N], b_N[known_N]
    if len(a_N) < 2 or not a_N.std() or not b_N.std():
        return None
    return float(np.corrcoef(a_N, b_N)[0, 1])


def text_table(sets: Mapping[str, dict[str, Any]]) -> list[str]:
    """One line a set and target, for people."""
    lines = []
    for name, facts in sets.items():
        words = facts["length_words"]
        middle = f"median of {words['0.5']} words" if words else "no rows"
        lines.append(f"{name}: {facts['rows']:,} texts, {middle}")
        for target, figures in facts.get("targets", {}).items():
            if figures["n"]:
                lines.append(f"  {target}: mean {figures['mean']:.3f}, sd {figures['sd']:.3f} of {figures['n']:,}")
        if counts := facts.get("labels"):
            rarest, most = min(counts.values()), max(counts.values())
            lines.append(f"  {len(counts)} labels, of {rarest:,} to {most:,} texts each")
    return lines
