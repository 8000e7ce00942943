"""Groups of pairs that share sentences; whole groups held out, or dealt out to folds, with the labels' shares."""

import csv
import tarfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from final_project.data.quality.groups import connected_groups, grouped_folds, held_out_rows, stratified_folds

ARCHIVE = Path(__file__).resolve().parents[2] / "shared" / "data" / "corpora.tar.xz"


def keys_of(pairs):
    return np.array(pairs, dtype=np.uint64).reshape(-1, 2)


def blocks(n_groups, seed, largest=9, positive=0.4):
    """Groups of one to `largest` rows around one first sentence, and labels; in random order of rows."""
    generator = np.random.default_rng(seed)
    first = np.repeat(np.arange(n_groups), generator.integers(1, largest + 1, n_groups))
    generator.shuffle(first)
    keys = np.stack([first, n_groups + np.arange(len(first))], axis=1).astype(np.uint64)
    return keys, (generator.random(len(first)) < positive).astype(np.int8)


def assert_no_key_on_both_sides(keys, is_held):
    assert not np.intersect1d(keys[is_held], keys[~is_held]).size


def test_pairs_that_share_a_sentence_on_either_side_are_one_group():
    groups = connected_groups(keys_of([(1, 2), (3, 4), (5, 1), (6, 6), (4, 7), (2, 8)]))
    assert groups.dtype == np.int64
    assert groups[0] == groups[2] == groups[5]
    assert groups[1] == groups[4]
    assert len({groups[0], groups[1], groups[3]}) == 3
    assert set(groups.tolist()) == {0, 1, 2}


def test_the_largest_keys_are_keys_like_any_other():
    assert connected_groups(keys_of([(2**64 - 1, 0), (2**63, 1), (0, 2**63)])).tolist() == [0, 0, 0]


def test_no_pairs_have_no_groups_and_hold_nothing_out():
    groups = connected_groups(keys_of([]))
    assert groups.shape == (0,) and groups.dtype == np.int64
    assert held_out_rows(groups, np.zeros(0, dtype=np.int8), 0.1, seed=1).shape == (0,)


def reference_groups(pairs):
    """Group of each pair by joining sets until nothing joins."""
    groups = []
    for pair in pairs:
        apart = [group for group in groups if not group & set(pair)]
        joined = set(pair).union(*(group for group in groups if group & set(pair)))
        groups = [*apart, joined]
    return [next(number for number, group in enumerate(groups) if pair[0] in group) for pair in pairs]


few_pairs = st.lists(st.tuples(st.integers(0, 12), st.integers(0, 12)), max_size=25)


@pytest.mark.stage
@settings(max_examples=200, deadline=None)
@given(few_pairs)
def test_groups_are_those_of_joining_sets(pairs):
    groups, expected = connected_groups(keys_of(pairs)), reference_groups(pairs)
    assert len(set(zip(groups.tolist(), expected, strict=True))) == len(set(expected)) == len(set(groups.tolist()))
    assert sorted(set(groups.tolist())) == list(range(len(set(expected))))


@pytest.mark.stage
@settings(max_examples=200, deadline=None)
@given(few_pairs, st.data(), st.sampled_from([0.001, 0.1, 0.3, 0.5]), st.integers(0, 5))
def test_no_sentence_is_on_both_sides_and_neither_side_is_empty(pairs, data, share, seed):
    keys = keys_of(pairs)
    labels = np.array(data.draw(st.lists(st.sampled_from([-1, 0, 1]), min_size=len(pairs), max_size=len(pairs))), int)
    groups = connected_groups(keys)
    is_held = held_out_rows(groups, labels, share, seed)
    assert is_held.dtype == bool and is_held.shape == (len(pairs),)
    assert_no_key_on_both_sides(keys, is_held)
    can_be_cut = len(set(groups.tolist())) > 1
    assert (is_held.any() and not is_held.all()) == can_be_cut
    assert np.array_equal(is_held, held_out_rows(groups, labels, share, seed))


@pytest.mark.parametrize("share", [0.02, 0.1, 0.2, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_the_shares_of_rows_and_of_labels_are_kept_where_groups_are_small(share, seed):
    keys, labels = blocks(2_000, seed)
    labels[::7] = -1
    is_held = held_out_rows(connected_groups(keys), labels, share, seed)
    assert_no_key_on_both_sides(keys, is_held)
    assert abs(is_held.mean() - share) < 0.002
    for label in (-1, 0, 1):
        assert abs((labels[is_held] == label).mean() - (labels == label).mean()) < 0.01


def test_held_out_groups_are_large_and_small_as_all_groups_are():
    keys, labels = blocks(3_000, seed=4)
    groups = connected_groups(keys)
    is_held = held_out_rows(groups, labels, 0.2, seed=4)
    size = np.bincount(groups)
    mean_size = [size[np.unique(groups[rows])].mean() for rows in (is_held, ~is_held)]
    assert mean_size[0] == pytest.approx(mean_size[1], rel=0.1)


@pytest.fixture(scope="module")
def covid19():
    """Keys and labels of COVID19's training pairs, where blocks of about five share the first sentence."""
    if not ARCHIVE.is_file():
        pytest.skip(f"{ARCHIVE} is not here")
    with tarfile.open(ARCHIVE) as archive:
        member = next(member for member in archive if member.name.endswith("covid19/train_20200228.csv"))
        lines = archive.extractfile(member).read().decode("utf-8").splitlines(keepends=True)
    rows = [row for row in csv.DictReader(lines) if row["label"]]
    numbers = {}
    keys = keys_of([[numbers.setdefault(row[side], len(numbers)) for side in ("query1", "query2")] for row in rows])
    return keys, np.array([int(row["label"]) for row in rows], dtype=np.int8)


@pytest.mark.stage
@pytest.mark.parametrize("share", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("seed", range(3))
def test_covid19_is_cut_between_its_blocks(covid19, share, seed):
    keys, labels = covid19
    is_held = held_out_rows(connected_groups(keys), labels, share, seed)
    assert_no_key_on_both_sides(keys, is_held)
    assert abs(is_held.mean() - share) < 0.005
    assert abs(labels[is_held].mean() - labels.mean()) < 0.01


def test_a_group_larger_than_the_room_stays_and_others_make_up_for_it():
    giant = [(0, number) for number in range(1, 701)]
    others = [(1_000 + number, 2_000 + number) for number in range(300)]
    keys, labels = keys_of(giant + others), np.arange(1_000) % 2
    is_held = held_out_rows(connected_groups(keys), labels, 0.2, seed=1)
    assert not is_held[:700].any()
    assert is_held.sum() == 200 and labels[is_held].sum() == 100


def test_one_group_stays_whole():
    keys = keys_of([(0, number) for number in range(1, 50)])
    assert not held_out_rows(connected_groups(keys), np.ones(49, dtype=np.int8), 0.3, seed=1).any()


def test_where_nothing_fits_the_smallest_group_is_held_out():
    groups = np.repeat([0, 1, 2], [20, 5, 30])
    is_held = held_out_rows(groups, np.arange(55) % 2, 0.01, seed=1)
    assert np.array_equal(is_held, groups == 1)


def test_one_label_is_enough():
    keys, labels = blocks(500, seed=2, positive=1.1)
    assert set(labels.tolist()) == {1}
    assert abs(held_out_rows(connected_groups(keys), labels, 0.1, seed=3).mean() - 0.1) < 0.005


def test_another_seed_holds_out_other_rows():
    keys, labels = blocks(500, seed=2)
    groups = connected_groups(keys)
    assert not np.array_equal(held_out_rows(groups, labels, 0.2, 1), held_out_rows(groups, labels, 0.2, 2))


@pytest.mark.stage
@settings(max_examples=300, deadline=None)
@given(few_pairs, st.data(), st.integers(2, 5), st.integers(0, 5))
def test_folds_share_no_sentence_and_every_pair_is_in_one(pairs, data, n_folds, seed):
    keys = keys_of(pairs)
    labels = np.array(data.draw(st.lists(st.sampled_from([0, 1]), min_size=len(pairs), max_size=len(pairs))), int)
    if len(set(reference_groups(pairs))) < n_folds:
        with pytest.raises(ValueError, match=f"groups of connected pairs cannot fill {n_folds} folds"):
            grouped_folds(keys, labels, n_folds, seed)
        return
    fold = grouped_folds(keys, labels, n_folds, seed)
    assert fold.shape == (len(pairs),) and set(fold.tolist()) == set(range(n_folds)), "none is empty"
    for number in range(n_folds):
        assert_no_key_on_both_sides(keys, fold == number)
    assert np.array_equal(fold, grouped_folds(keys, labels, n_folds, seed))
    order = np.array(data.draw(st.permutations(range(len(pairs)))), int)
    assert np.array_equal(fold[order], grouped_folds(keys[order], labels[order], n_folds, seed)), "order of rows"
    swapped = np.where(np.array(data.draw(st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs))))[:, None],
                       keys[:, ::-1], keys)  # fmt: skip
    assert np.array_equal(fold, grouped_folds(swapped, labels, n_folds, seed)), "order of sentences"


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from([0, 1]), min_size=6, max_size=60), st.integers(2, 6), st.integers(0, 5))
def test_pairs_that_are_not_linked_are_dealt_out_evenly(labels, n_folds, seed):
    keys, labels = keys_of([(2 * row, 2 * row + 1) for row in range(len(labels))]), np.array(labels)
    fold = grouped_folds(keys, labels, n_folds, seed)
    for rows in (labels == 0, labels == 1, labels >= 0):
        counts = np.bincount(fold[rows], minlength=n_folds)
        assert counts.max() - counts.min() <= 1


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("n_folds", [2, 5, 10])
def test_folds_have_the_labels_shares_where_groups_are_small(n_folds, seed):
    keys, labels = blocks(1_000, seed)
    fold = grouped_folds(keys, labels, n_folds, seed)
    counts = np.array([[np.sum((fold == number) & (labels == label)) for label in (0, 1)] for number in range(n_folds)])
    assert (np.ptp(counts, axis=0) <= 2).all()


def test_a_group_larger_than_a_fold_leaves_the_others_even():
    giant = [(0, number) for number in range(1, 701)]
    others = [(1_000 + number, 2_000 + number) for number in range(300)]
    keys, labels = keys_of(giant + others), np.arange(1_000) % 2
    fold = grouped_folds(keys, labels, 4, seed=1)
    assert np.bincount(fold).tolist() == [700, 100, 100, 100]
    assert [labels[fold == number].mean() for number in (1, 2, 3)] == [0.5, 0.5, 0.5]


def test_another_seed_deals_out_otherwise():
    keys, labels = blocks(200, seed=2)
    folds = [grouped_folds(keys, labels, 5, seed) for seed in (1, 2)]
    assert not np.array_equal(*folds)


def test_covid19_is_dealt_out_between_its_blocks(covid19):
    keys, labels = covid19
    fold = grouped_folds(keys, labels, 5, seed=1)
    shares = [labels[fold == number].mean() for number in range(5)]
    assert np.ptp(np.bincount(fold)) <= 2 and np.ptp(shares) < 0.002
    for number in range(5):
        assert_no_key_on_both_sides(keys, fold == number)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.sampled_from([0, 1]), min_size=1, max_size=50), st.integers(2, 6), st.integers(0, 5))
def test_stratified_folds_deal_each_label_out_in_turn(labels, n_folds, seed):
    labels = np.array(labels)
    fold = stratified_folds(labels, n_folds, seed)
    for label in (0, 1):
        assert np.ptp(np.bincount(fold[labels == label], minlength=n_folds)) <= 1
    assert np.array_equal(fold, stratified_folds(labels, n_folds, seed))
