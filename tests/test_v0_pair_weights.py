"""How much each training pair counts: by the label and the overlap of its texts, so that they come as dev's do."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest

from final_project.tokens.token_table import TokenTable
from similarity_v0.pair_weights import LARGEST, N_BINS, SMALLEST, cells, overlaps, pair_weights


@dataclass
class Marks:
    cls_token_id: int = 0
    sep_token_id: int = 2


MARKS = [0, 2]
LAYOUTS = {"bert": ([0], [2], [2]), "roberta": ([0], [2, 2], [2])}


def table_of(pairs, layout="bert") -> TokenTable:
    begin, middle, end = LAYOUTS[layout]
    rows = [[*begin, *first, *middle, *second, *end] for first, second, _ in pairs]
    offsets = np.cumsum([0, *map(len, rows)])
    ids = np.concatenate(rows)
    return TokenTable(ids.astype(np.uint16), np.zeros(len(ids), np.uint8), offsets, np.array([p[2] for p in pairs]))


def drawn_pairs(n: int, same: float, seed: int):
    """Pairs of few letters; a pair of label 1 has `same` as the chance that a letter of the first is kept."""
    rng = np.random.default_rng(seed)
    for _ in range(n):
        first = rng.integers(5, 25, rng.integers(1, 12)).tolist()
        label = int(rng.random() < 0.5)
        kept = same if label else 1 - same
        yield first, [t if rng.random() < kept else int(rng.integers(5, 25)) for t in first], label


@pytest.mark.parametrize("layout", LAYOUTS)
def test_the_overlap_is_dices_coefficient_of_the_tokens(layout, monkeypatch):
    monkeypatch.setattr("similarity_v0.pair_weights.ROWS_AT_A_TIME", 7)
    pairs = [*drawn_pairs(60, 0.7, 1), ([5, 5, 6], [5, 5, 5], 1), ([], [], 0), ([7], [], 0), ([8, 9], [9, 8], 1)]
    rows_N = np.random.default_rng(2).permutation(len(pairs))
    found_N = overlaps(table_of(pairs, layout), rows_N, MARKS)
    for row, found in zip(rows_N, found_N, strict=True):
        first, second, _ = pairs[row]
        shared = (Counter(first) & Counter(second)).total()
        assert found == pytest.approx(2 * shared / (len(first) + len(second)) if first or second else 0.0)


def test_weighted_training_pairs_come_as_those_of_dev():
    tables = {"train": table_of(list(drawn_pairs(6000, 0.8, 3))), "dev": table_of(list(drawn_pairs(3000, 0.6, 4)))}
    rows_N = np.arange(6000)
    weights_N = pair_weights("like_dev", tables, rows_N, Marks())
    assert weights_N.dtype == np.float32
    assert weights_N.mean() == pytest.approx(1.0, abs=1e-5)
    assert LARGEST / SMALLEST >= weights_N.max() / weights_N.min() > 2
    expected = np.bincount(cells(tables["dev"], np.arange(3000), MARKS), minlength=2 * N_BINS) / 3000
    before, after = (
        np.bincount(cells(tables["train"], rows_N, MARKS), weights, minlength=2 * N_BINS) / 6000
        for weights in (None, weights_N)
    )
    assert np.abs(after - expected).sum() < 0.25 * np.abs(before - expected).sum()


def test_a_training_set_that_is_like_dev_already_keeps_its_weights():
    table = table_of(list(drawn_pairs(500, 0.7, 5)))
    assert np.allclose(pair_weights("like_dev", {"train": table, "dev": table}, np.arange(500), Marks()), 1.0)


def test_equal_weights_are_exactly_one():
    table = table_of(list(drawn_pairs(5, 0.7, 6)))
    assert pair_weights("equal", {"train": table, "dev": table}, np.array([3, 1]), Marks()).tolist() == [1.0, 1.0]


def test_weights_belong_to_pairs_whatever_their_order():
    tables = {"train": table_of(list(drawn_pairs(300, 0.8, 7))), "dev": table_of(list(drawn_pairs(200, 0.6, 8)))}
    order_N = np.random.default_rng(9).permutation(300)
    in_order = pair_weights("like_dev", tables, np.arange(300), Marks())
    assert np.allclose(pair_weights("like_dev", tables, order_N, Marks()), in_order[order_N])
