"""For every reference the hypothesis with the highest BLEU-4, exactly, without comparing texts pair by pair in Python.

Clipped counts are a set intersection once the k-th occurrence of an n-gram counts as a feature of its own:
sum_g min(count_hyp(g), count_ref(g)) = |features_hyp & features_ref|. So the clipped counts of all pairs are one sparse
product of two 0/1 matrices for each n, taken in blocks of references to bound the memory.

Shapes: R references in a block, Y hypotheses, F features.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from itertools import count

import numpy as np
from scipy.sparse import csr_matrix

MAX_N = 4
TINY = 1e-10
BLOCK_CELLS = 4_000_000  # cells of one dense (R, Y) block: 32 MB in float64, a handful of them alive at once
NEAR = 1e-9  # scores this close to the best, relatively, are compared again in scalar arithmetic

Words = Sequence[str]


def bleu(hypothesis: Words, reference: Words) -> float:
    """BLEU-4 of one pair with clipped counts and weights 1/4 (design, section 4, f3).

    p_n = clip_n / (count_n + 1e-10) + 1e-10; brevity penalty 1 if c > r else exp(1 - r / (c + 1e-10)).
    """
    clipped = []
    for n in range(1, MAX_N + 1):
        known = set(_features(reference, n))
        clipped.append(sum(feature in known for feature in _features(hypothesis, n)))
    return _score(clipped, len(hypothesis), len(reference))


def best_hypotheses(hypotheses: Sequence[Words], references: Sequence[Words]) -> list[int]:
    """For each reference the position of the hypothesis with the highest `bleu`; ties go to the first.

    Raises ValueError where there are references but no hypotheses.
    """
    if not references:
        return []
    if not hypotheses:
        raise ValueError("no hypotheses to choose from")
    matrices = [_feature_matrices(hypotheses, references, n) for n in range(1, MAX_N + 1)]
    n_hyp_Y = np.array([len(words) for words in hypotheses], dtype=np.float64)
    n_ref = np.array([len(words) for words in references], dtype=np.float64)
    block = max(1, BLOCK_CELLS // len(hypotheses))
    best = []
    for start in range(0, len(references), block):
        rows = slice(start, start + block)
        clipped_RY = [(ref[rows] @ hyp.T).toarray() for hyp, ref in matrices]
        scores_RY = _log_scores(clipped_RY, n_hyp_Y, n_ref[rows])
        for row, scores_Y in enumerate(scores_RY):
            # numpy's vector logarithm may round differently from one cell to the next, which would decide ties by
            # chance: the few scores near the top are taken again, one by one.
            near = np.flatnonzero(scores_Y >= scores_Y.max() - NEAR)
            exact = [
                _score([int(c[row, y]) for c in clipped_RY], len(hypotheses[y]), int(n_ref[start + row])) for y in near
            ]
            best.append(int(near[exact.index(max(exact))]))
    return best


def _score(clipped: Sequence[int], n_hypothesis: int, n_reference: int) -> float:
    log_sum = 0.0
    for n, clip in enumerate(clipped, start=1):
        log_sum += math.log(clip / (max(n_hypothesis - n + 1, 0) + TINY) + TINY) / MAX_N
    return _brevity_penalty(n_hypothesis, n_reference) * math.exp(log_sum)


def _brevity_penalty(n_hypothesis: int, n_reference: int) -> float:
    return 1.0 if n_hypothesis > n_reference else math.exp(1 - n_reference / (n_hypothesis + TINY))


def _log_scores(clipped_RY: list[np.ndarray], n_hyp_Y: np.ndarray, n_ref_R: np.ndarray) -> np.ndarray:
    """log BLEU of every pair, (R, Y)."""
    brevity_RY = 1 - n_ref_R[:, None] / (n_hyp_Y[None, :] + TINY)
    scores_RY = np.where(n_hyp_Y[None, :] > n_ref_R[:, None], 0.0, brevity_RY)
    for n, clip_RY in enumerate(clipped_RY, start=1):
        n_grams_Y = np.maximum(n_hyp_Y - n + 1, 0) + TINY
        scores_RY += np.log(clip_RY / n_grams_Y[None, :] + TINY) / MAX_N
    return scores_RY


def _features(words: Words, n: int) -> list[tuple]:
    """The n-grams of a text, each with the number of its earlier occurrences."""
    seen: defaultdict[tuple, count] = defaultdict(count)
    return [(gram, next(seen[gram])) for gram in zip(*(words[i:] for i in range(n)), strict=False)]


def _feature_matrices(hypotheses: Sequence[Words], references: Sequence[Words], n: int):
    """Two 0/1 matrices over the hypotheses' features, (Y, F) and (references, F)."""
    columns: dict[tuple, int] = {}
    rows_hyp = [[columns.setdefault(f, len(columns)) for f in _features(words, n)] for words in hypotheses]
    rows_ref = [[columns[f] for f in _features(words, n) if f in columns] for words in references]
    return tuple(_binary_matrix(rows, len(columns)) for rows in (rows_hyp, rows_ref))


def _binary_matrix(rows: list[list[int]], n_columns: int) -> csr_matrix:
    ends = np.cumsum([0] + [len(row) for row in rows])
    columns = np.fromiter((column for row in rows for column in row), dtype=np.int32, count=ends[-1])
    return csr_matrix((np.ones(len(columns), dtype=np.int32), columns, ends), shape=(len(rows), max(n_columns, 1)))
