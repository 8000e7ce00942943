"""Rows with many labels are spread evenly over folds and splits, equal texts and groups together."""

from __future__ import annotations

import numpy as np
import pytest
from targets_support import golden_essays

from final_project.data.quality.groups import deal_groups, deal_rows, grouped_folds
from final_project.data.quality.strata import keys_of, spread, strata
from final_project.data.records import TextRow


def rows_of(targets, texts=None, groups=None) -> list[TextRow]:
    texts = texts or [f"text {number}" for number in range(len(targets))]
    groups = groups or [""] * len(targets)
    zipped = zip(texts, targets, groups, strict=True)
    return [TextRow(str(number), text, tuple(t), group=group) for number, (text, t, group) in enumerate(zipped)]


def drawn_rows(n: int, seed: int) -> list[TextRow]:
    generator = np.random.default_rng(seed)
    skill_N = generator.normal(3, 0.6, n)
    scores = np.clip(np.round(2 * (skill_N[:, None] + generator.normal(0, 0.4, (n, 3)))) / 2, 1, 5)
    return rows_of(scores.tolist())


def test_in_the_golden_order_the_folds_are_the_golden_ones():
    golden = golden_essays("folds.json")
    rule = golden["house_rule_in_a_given_order"]
    labels_NL = strata(rows_of(golden["targets"]))
    fold_N = deal_groups(labels_NL, np.ones(len(labels_NL)), np.array(rule["order"]), np.ones(golden["n_folds"]))
    assert fold_N.tolist() == rule["fold"]
    found = spread(labels_NL, fold_N, golden["n_folds"])
    assert found["LD"] == pytest.approx(rule["LD"], abs=1e-10) and found["ED"] == pytest.approx(rule["ED"], abs=1e-10)
    assert found["sizes"] == rule["sizes"] and found["lacking"] == rule["empty_label_fold_pairs"]


def test_our_own_order_is_as_even_as_the_deterministic_rule_of_the_literature():
    golden = golden_essays("folds.json")
    rows = rows_of(golden["targets"])
    labels_NL = strata(rows)
    evens = [spread(labels_NL, deal_rows(keys_of(rows), labels_NL, np.ones(5), seed), 5)["LD"] for seed in range(20)]
    assert np.median(evens) <= golden["deterministic_sechidis"]["LD"] < golden["random"]["LD"]


def test_folds_are_even_where_a_random_deal_is_not():
    rows = drawn_rows(2000, seed=1)
    labels_NL = strata(rows)
    ours = spread(labels_NL, deal_rows(keys_of(rows), labels_NL, np.ones(5), 3), 5)
    random = spread(labels_NL, np.random.default_rng(3).permutation(2000) % 5, 5)
    assert ours["LD"] < random["LD"] / 4 and max(ours["sizes"]) - min(ours["sizes"]) <= 20


def test_neither_the_order_of_rows_nor_of_targets_matters():
    rows = drawn_rows(200, seed=2)
    fold_N = deal_rows(keys_of(rows), strata(rows), np.ones(4), 7)
    order = np.random.default_rng(0).permutation(200)
    again_N = deal_rows(keys_of([rows[i] for i in order]), strata([rows[i] for i in order]), np.ones(4), 7)
    assert np.array_equal(fold_N[order], again_N)
    turned_NL = strata(rows)[:, ::-1]
    assert np.array_equal(fold_N, deal_rows(keys_of(rows), turned_NL, np.ones(4), 7))
    assert not np.array_equal(fold_N, deal_rows(keys_of(rows), strata(rows), np.ones(4), 8))


def test_equal_texts_and_groups_share_a_fold():
    targets = [[1.0 + (n % 9) / 2] for n in range(60)]
    texts = [f"Text {n}" for n in range(40)] + [f"text  {n}" for n in range(20)]
    groups = ["p" if n in (3, 17, 39) else "" for n in range(60)]
    rows = rows_of(targets, texts, groups)
    fold_N = deal_rows(keys_of(rows), strata(rows), np.ones(5), 1)
    assert all(fold_N[n] == fold_N[40 + n] for n in range(20)) and len({fold_N[3], fold_N[17], fold_N[39]}) == 1
    assert len(set(fold_N.tolist())) == 5


def test_a_side_may_be_small_and_keeps_the_shares_of_every_value():
    rows = drawn_rows(3000, seed=4)
    labels_NL = strata(rows)
    side_N = deal_rows(keys_of(rows), labels_NL, np.array([0.1, 0.9]), 5)
    assert abs((side_N == 0).mean() - 0.1) < 0.005
    common_L = labels_NL.sum(axis=0) > 100
    assert (
        np.abs(labels_NL[side_N == 0][:, common_L].sum(axis=0) / labels_NL[:, common_L].sum(axis=0) - 0.1).max() < 0.02
    )


def test_fewer_groups_than_folds_are_refused():
    rows = rows_of([[1.0], [2.0], [3.0]], texts=["a", "A", "b"])
    with pytest.raises(ValueError, match="2 groups of rows"):
        deal_rows(keys_of(rows), strata(rows), np.ones(3), 0)


def test_many_values_become_ten_bins_and_unknown_ones_none():
    rows = rows_of([[n / 7] for n in range(70)] + [[None]])
    labels_NL = strata(rows)
    assert labels_NL.shape == (71, 10) and labels_NL.sum(axis=0).tolist() == [7] * 10 and labels_NL[-1].sum() == 0


def test_one_label_gives_the_folds_that_it_always_gave():
    """The rule for pairs written out again, apart: shares of two labels and of all rows, largest groups first."""
    for seed in range(30):
        generator = np.random.default_rng(seed)
        keys_N2 = generator.integers(0, 60, (50, 2)).astype(np.uint64)
        label_N = generator.integers(0, 2, 50)
        label_N[:2] = (0, 1)
        fold_N = grouped_folds(keys_N2, label_N, 2, seed) if n_groups(keys_N2) > 1 else None
        if fold_N is not None:
            assert np.array_equal(fold_N, slow_folds(keys_N2, label_N, 2, seed))


def n_groups(keys_N2) -> int:
    from final_project.data.quality.groups import connected_groups

    return int(connected_groups(keys_N2).max()) + 1


def slow_folds(keys_N2, label_N, n_folds, seed):
    from final_project.data.quality.groups import connected_groups

    group_N = connected_groups(keys_N2)
    groups = range(int(group_N.max()) + 1)
    smallest = [min(int(key) for key in keys_N2[group_N == g].ravel()) for g in groups]
    drawn = np.random.default_rng(seed).permutation(len(groups))[np.argsort(np.argsort(smallest))]
    count = [[int(((group_N == g) & (label_N == label)).sum()) for label in (0, 1)] for g in groups]
    order = sorted(groups, key=lambda g: (sum(count[g]), count[g][1], count[g][0], drawn[g]), reverse=True)
    totals = [max(1, sum(c[label] for c in count)) for label in (0, 1)]
    share = [[c[0] / totals[0], c[1] / totals[1], sum(c) / len(label_N)] for c in count]
    loads, fold_of = [[0.0] * 3 for _ in range(n_folds)], {}
    for g in order:
        costs = [float(np.array(load) @ np.array(share[g])) for load in loads]
        fold_of[g] = costs.index(min(costs))
        loads[fold_of[g]] = [a + b for a, b in zip(loads[fold_of[g]], share[g], strict=True)]
    return np.array([fold_of[g] for g in group_N])
