"""Scores or named labels as columns of 0 and 1, by which rows are spread over splits and folds; and how even that is.

Shapes: N rows, C targets, L columns, K folds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import xxhash

from final_project.data.quality.fingerprints import normal_form
from final_project.data.records import TextRow

MOST_VALUES = 12  # a target with more values is cut into bins
N_BINS = 10
ODD_GROUP = "group\0"  # a group named like a text is not that text


def strata(rows: Sequence[TextRow]) -> np.ndarray:
    """(N, L) columns of 0 and 1: one for each value of each target or for each label; where a target has more than
    MOST_VALUES values, one for each of N_BINS bins of equal mass. Unknown: in no column."""
    if rows and rows[0].label is not None:
        names = np.array([row.label or "" for row in rows])
        return (names[:, None] == np.unique(names[names != ""])).astype(np.int64)
    values_NC = score_matrix(rows)
    columns = [np.zeros((len(rows), 0), dtype=np.int64)]
    for value_N in values_NC.T:
        known = np.unique(value_N[np.isfinite(value_N)])
        if len(known) > MOST_VALUES:
            edges = np.quantile(value_N[np.isfinite(value_N)], np.arange(1, N_BINS) / N_BINS)
            value_N = np.where(np.isfinite(value_N), np.searchsorted(edges, value_N, side="right"), np.nan)
            known = np.unique(value_N[np.isfinite(value_N)])
        columns.append((value_N[:, None] == known).astype(np.int64))
    return np.concatenate(columns, axis=1)


def score_matrix(rows: Sequence[TextRow]) -> np.ndarray:
    """(N, C) float64, NaN where unknown."""
    return np.array([[np.nan if s is None else s for s in row.scores] for row in rows], dtype=np.float64).reshape(
        len(rows), -1
    )


def keys_of(rows: Sequence[TextRow]) -> np.ndarray:
    """(N, 2) numbers: rows that share one belong together, since their normalised texts or their groups are equal."""
    texts = [xxhash.xxh3_64_intdigest(normal_form(row.text).encode()) for row in rows]
    groups = [
        xxhash.xxh3_64_intdigest((ODD_GROUP + row.group).encode()) if row.group else text
        for row, text in zip(rows, texts, strict=True)
    ]
    return np.array([texts, groups], dtype=np.uint64).T.reshape(len(rows), 2)


def spread(labels_NL: np.ndarray, fold_N: np.ndarray, n_folds: int) -> dict[str, Any]:
    """sizes; LD and ED, the label and example distribution of Sechidis et al. 2011 (0 is best); lacking: how many pairs
    of a fold and a label have no row, of labels with at least as many rows as there are folds."""
    labels_NL = labels_NL[:, labels_NL.any(axis=0)]
    size_K = np.bincount(fold_N, minlength=n_folds)
    rows_KL = np.array([labels_NL[fold_N == fold].sum(axis=0) for fold in range(n_folds)])
    count_L = labels_NL.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        odds_KL = rows_KL / (size_K[:, None] - rows_KL)
        whole_L = count_L / (len(labels_NL) - count_L)
        gap_KL = np.abs(odds_KL - whole_L)
    finite = gap_KL[np.isfinite(gap_KL)]
    return {
        "sizes": size_K.tolist(),
        "LD": float(finite.mean()) if len(finite) else 0.0,
        "ED": float(np.abs(size_K - len(fold_N) / n_folds).mean()),
        "lacking": int((rows_KL[:, count_L >= n_folds] == 0).sum()),
    }
