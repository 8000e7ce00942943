"""Pairs that share sentences stay on one side: groups of such pairs, whole groups held out, or dealt out to folds,
with the labels' shares.

N pairs; G groups; L labels; K folds; the last axis of size 2 is the side. A key is any number that is equal where two
sentences are.
"""

from __future__ import annotations

import numpy as np


def connected_groups(keys_N2: np.ndarray) -> np.ndarray:
    """Number of each pair's group, (N,) int64 from 0 without gaps. Two pairs that have a key in common, on whichever
    side, are in one group; so are those that are linked through others."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    if not len(keys_N2):
        return np.zeros(0, dtype=np.int64)
    sentences, place_N2 = np.unique(keys_N2, return_inverse=True)
    place_N2 = place_N2.reshape(-1, 2)
    links = coo_array(
        (np.ones(len(place_N2), dtype=bool), (place_N2[:, 0], place_N2[:, 1])), shape=(len(sentences),) * 2
    )
    _, group_of_sentence = connected_components(links, directed=False)
    return group_of_sentence[place_N2[:, 0]].astype(np.int64)


def held_out_rows(group_N: np.ndarray, label_N: np.ndarray, share: float, seed: int) -> np.ndarray:
    """Mask (N,) of the rows to hold out: whole groups, about `share` of the rows of every label.

    group_N: numbers from 0 without gaps. label_N: any numbers; unknown is one more label. share: at most a half.
    Each label has room for its share of rows, and a group is held out where all its rows still find room: so every
    share is kept where groups are small, and a large group stays. Where no group finds room, the smallest is held out,
    so that neither side is empty; a single group stays. The same arguments give the same rows, another seed others.
    """
    is_held_N = np.zeros(len(group_N), dtype=bool)
    n_groups = int(group_N.max()) + 1 if len(group_N) else 0
    if n_groups < 2:
        return is_held_N
    labels, label_number_N = np.unique(label_N, return_inverse=True)
    rows_GL = np.bincount(group_N * len(labels) + label_number_N, minlength=n_groups * len(labels))
    rows_GL = rows_GL.reshape(n_groups, len(labels))
    room_L = np.rint(share * rows_GL.sum(axis=0)).astype(np.int64)
    order = _balanced_order(rows_GL, room_L, np.random.default_rng(seed))
    taken = _first_fit(rows_GL, order, room_L)
    if not len(taken):
        taken = np.array([rows_GL.sum(axis=1).argmin()])
    is_held_G = np.zeros(n_groups, dtype=bool)
    is_held_G[taken] = True
    return is_held_G[group_N]


def _balanced_order(rows_GL: np.ndarray, room_L: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The groups that fit at all, in an order of which the beginning is a fair sample: of the groups sorted by size and
    labels every n-th, then the ones behind those, and so on. Groups that are alike are shuffled. Large ones come first
    in each turn, since small ones fit what room is left."""
    candidates = np.flatnonzero((rows_GL <= room_L).all(axis=1))
    if not len(candidates):
        return candidates
    rows_CL = rows_GL[candidates]
    alike = (generator.random(len(candidates)), *rows_CL.T)
    from_large_to_small = candidates[np.lexsort((*alike, rows_CL.sum(axis=1)))[::-1]]
    step = -(-int(rows_CL.sum()) // int(room_L.sum()))
    turn = (np.arange(len(candidates)) + generator.integers(step)) % step
    return from_large_to_small[np.argsort(turn, kind="stable")]


def _first_fit(rows_GL: np.ndarray, order: np.ndarray, room_L: np.ndarray) -> np.ndarray:
    """Go through the groups in order and take each that fits the room that is left; many at a time."""
    taken = []
    while len(order := order[(rows_GL[order] <= room_L).all(axis=1)]):
        fits = (np.cumsum(rows_GL[order], axis=0) <= room_L).all(axis=1)
        taken.append(order[fits])
        room_L = room_L - rows_GL[order[fits]].sum(axis=0)
        order = order[~fits]
    return np.concatenate([order, *taken])


def grouped_folds(keys_N2: np.ndarray, label_N: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """Fold of each pair, (N,) int64 from 0: connected pairs in one fold, every label spread as evenly as that allows.

    A pair's fold follows from the pairs and the seed, not from their order. From the largest group to the smallest,
    each goes where its labels are rarest so far (the sum of squared shares over folds and labels grows least); groups
    that are alike come in an order drawn by the seed. Raises ValueError where there are fewer groups than folds.
    """
    group_N = connected_groups(keys_N2)
    n_groups = int(group_N.max()) + 1 if len(group_N) else 0
    if n_groups < n_folds:
        raise ValueError(f"{n_groups} groups of connected pairs cannot fill {n_folds} folds")
    labels, label_number_N = np.unique(label_N, return_inverse=True)
    rows_GL = np.bincount(group_N * len(labels) + label_number_N, minlength=n_groups * len(labels))
    rows_GL = rows_GL.reshape(n_groups, len(labels))
    order = np.lexsort((_drawn(keys_N2, group_N, seed), *rows_GL.T, rows_GL.sum(axis=1)))[::-1]
    return deal_groups(rows_GL, rows_GL.sum(axis=1), order, np.ones(n_folds))[group_N]


def deal_groups(rows_GL: np.ndarray, size_G: np.ndarray, order_G: np.ndarray, parts_K: np.ndarray) -> np.ndarray:
    """The side that each group goes to, (G,): one after the other, each where its labels are rarest so far.

    rows_GL: rows of each label in each group; a row may have several labels. size_G: rows of each group. order_G: the
    groups in the order in which they are dealt. parts_K: how large the sides shall be, relative to each other.
    """
    # all rows are one more label, so that sides are as large as they shall be and none stays empty
    shares_GL = np.column_stack([rows_GL / rows_GL.sum(axis=0), size_G / size_G.sum()])
    load_KL = np.zeros((len(parts_K), shares_GL.shape[1]))
    side_G = np.empty(len(rows_GL), dtype=np.int64)
    for group in order_G:
        side = ((load_KL @ shares_GL[group]) / parts_K).argmin()
        load_KL[side] += shares_GL[group]
        side_G[group] = side
    return side_G


def deal_rows(keys_NK: np.ndarray, labels_NL: np.ndarray, parts_K: np.ndarray, seed: int) -> np.ndarray:
    """The side of each row, (N,) int64 from 0, where rows have many labels: connected rows on one side, every label
    spread over the sides as `parts_K` are large.

    labels_NL: 1 where a row has the label. Groups with the rarest label come first (Sechidis et al. 2011 take labels in
    that order), then large ones; equal ones are drawn by the seed and their content, so that the order of rows and of
    labels does not matter. Raises ValueError where there are fewer groups than sides.
    """
    group_N = connected_groups(keys_NK)
    n_groups = int(group_N.max()) + 1 if len(group_N) else 0
    if n_groups < len(parts_K):
        raise ValueError(f"{n_groups} groups of rows that belong together cannot fill {len(parts_K)} folds")
    labels_NL = labels_NL[:, labels_NL.any(axis=0)].astype(np.int64)
    rows_GL = np.zeros((n_groups, labels_NL.shape[1]), dtype=np.int64)
    np.add.at(rows_GL, group_N, labels_NL)
    count_L = rows_GL.sum(axis=0)
    rarest_G = np.where(rows_GL > 0, count_L, len(group_N) + 1).min(axis=1, initial=len(group_N) + 1)
    size_G = np.bincount(group_N, minlength=n_groups)
    order = np.lexsort((_drawn(keys_NK, group_N, seed), -size_G, rarest_G))
    return deal_groups(rows_GL, size_G, order, parts_K)[group_N]


def _drawn(keys_N2: np.ndarray, group_N: np.ndarray, seed: int) -> np.ndarray:
    """A random number a group, (G,), that follows from its smallest key: the same in whatever order its rows come."""
    smallest_G = np.full(int(group_N.max()) + 1, np.iinfo(np.uint64).max, dtype=np.uint64)
    np.minimum.at(smallest_G, group_N, keys_N2.min(axis=1).astype(np.uint64))
    ranks_G = np.argsort(np.argsort(smallest_G))
    return np.random.default_rng(seed).permutation(len(smallest_G))[ranks_G]


def stratified_folds(label_N: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """Fold of each row, (N,) int64 from 0, where no rows belong together: each label dealt out in turn."""
    order = np.lexsort((np.random.default_rng(seed).permutation(len(label_N)), label_N))
    fold_N = np.empty(len(label_N), dtype=np.int64)
    fold_N[order] = np.arange(len(label_N)) % n_folds
    return fold_N
