"""Loss weight of each training pair: equal, or such that labels and overlap are distributed as in dev.

In LCQMC's training file nine of ten pairs whose characters nearly all agree are the same question; among those that
people are then asked about, two of three. A model learns that rule before anything else, and it misleads. Importance
weighting (Shimodaira 2000) corrects it: pairs are sorted into cells by label and by how much their texts overlap, and
weigh by how frequent their cell is in dev over how frequent it is in training. Of dev it takes those counts alone.
Shapes: N pairs.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from transformers import PreTrainedTokenizerBase

from final_project.tokens.token_table import TokenTable

PairWeights = Literal["equal", "like_dev"]
ClassWeights = Literal["", "balanced"]

N_BINS = 10
PRIOR = 20
"""Pseudo-count added to every cell (as a fraction of dev's size): smooths the ratio where a cell has few pairs."""
SMALLEST, LARGEST = 0.1, 8.0
ROWS_AT_A_TIME = 50_000


def pair_weights(
    kind: PairWeights,
    tables: dict[str, TokenTable],
    rows_N: np.ndarray,
    tokenizer: PreTrainedTokenizerBase,
    class_weights: ClassWeights = "",
) -> np.ndarray:
    """(N,) float32 weights of some rows of the train table; their mean is 1."""
    weights_N = like_dev(tables, rows_N, tokenizer) if kind == "like_dev" else np.ones(len(rows_N))
    if class_weights == "balanced":
        weights_N = weights_N * balanced(tables["train"].labels[rows_N])
    return (weights_N / weights_N.mean()).astype(np.float32) if len(weights_N) else weights_N.astype(np.float32)


def balanced(labels_N: np.ndarray) -> np.ndarray:
    """(N,) N / (C n_c) for each row, n_c the rows of its label: all labels count alike, as in scikit-learn."""
    _, label_of_N, counts_C = np.unique(labels_N, return_inverse=True, return_counts=True)
    return len(labels_N) / (len(counts_C) * counts_C[label_of_N])


def like_dev(tables: dict[str, TokenTable], rows_N: np.ndarray, tokenizer: PreTrainedTokenizerBase) -> np.ndarray:
    """(N,) weights with which the cells come as often as in dev, smoothed and bounded."""
    train, dev = tables["train"], tables["dev"]
    marks = [tokenizer.cls_token_id, tokenizer.sep_token_id]
    cells_N = cells(train, rows_N, marks)
    count = 2 * N_BINS
    in_train = np.bincount(cells_N, minlength=count) / len(rows_N)
    in_dev = np.bincount(cells(dev, np.arange(len(dev)), marks), minlength=count) / len(dev)
    prior = PRIOR / len(dev)
    return ((in_dev + prior) / (in_train + prior)).clip(SMALLEST, LARGEST)[cells_N]


def cells(table: TokenTable, rows_N: np.ndarray, marks: list[int]) -> np.ndarray:
    """(N,) numbers of the cells: the label times N_BINS, plus the bin of the overlap."""
    bins_N = np.minimum((overlaps(table, rows_N, marks) * N_BINS).astype(int), N_BINS - 1)
    return np.asarray(table.labels[rows_N]).astype(int) * N_BINS + bins_N


def overlaps(table: TokenTable, rows_N: np.ndarray, marks: list[int]) -> np.ndarray:
    """(N,) Dice coefficients of the two texts' tokens with repetitions, 2 |A and B| / (|A| + |B|), in 0..1.

    marks: the ids that begin a row and end its texts; what follows the first of the ends is the second text.
    """
    parts = [rows_N[at : at + ROWS_AT_A_TIME] for at in range(0, len(rows_N), ROWS_AT_A_TIME)]
    return np.concatenate([_overlaps(table, part_B, marks) for part_B in parts]) if parts else np.zeros(0)


def _overlaps(table: TokenTable, rows_B: np.ndarray, marks: list[int]) -> np.ndarray:
    rows = table[rows_B]
    is_mark_N = np.isin(rows.ids_N, marks)
    marks_so_far_N = np.cumsum(is_mark_N)
    marks_before_B = marks_so_far_N[rows.starts_B] - is_mark_N[rows.starts_B]
    is_second_N = marks_so_far_N - marks_before_B[rows.row_N] > 1
    n_ids = int(rows.ids_N.max()) + 1
    keys_N = rows.row_N * n_ids + rows.ids_N
    sides = [np.unique(keys_N[~is_mark_N & (is_second_N == second)], return_counts=True) for second in (False, True)]
    shared_K, at_first_K, at_second_K = np.intersect1d(
        sides[0][0], sides[1][0], assume_unique=True, return_indices=True
    )
    common_K = np.minimum(sides[0][1][at_first_K], sides[1][1][at_second_K])
    n_rows = len(rows_B)
    n_common_B = np.bincount(shared_K // n_ids, weights=common_K, minlength=n_rows)
    n_tokens_B = np.bincount(rows.row_N[~is_mark_N], minlength=n_rows)
    return 2 * n_common_B / np.maximum(n_tokens_B, 1)
