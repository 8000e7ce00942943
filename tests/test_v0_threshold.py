"""The threshold: exact for every measure, nearest to one half among equals, with an interval that is honest."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from reference import values_of_all_cuts
from sklearn.metrics import accuracy_score, f1_score, matthews_corrcoef

from similarity_v0.decision.scores import Measure, scores_of
from similarity_v0.decision.threshold import Cuts, best_threshold, bootstrap_interval, margin_to_threshold

COSTS = (3.0, 0.7)
MEASURES = {
    "accuracy": Measure("accuracy"),
    "f1": Measure("f1"),
    "mcc": Measure("mcc"),
    "cost": Measure("cost", *COSTS),
}


def random_cases(n_cases: int, seed: int):
    """Scores with many ties, a few apart from each other by one bit, and labels of one class now and then."""
    rng = np.random.default_rng(seed)
    for _ in range(n_cases):
        n = int(rng.integers(1, 12))
        scores = np.round(rng.random(n), int(rng.integers(0, 4)))
        scores[0] = np.nextafter(scores[-1], rng.choice([0.0, 1.0]))
        yield scores, (rng.random(n) < rng.choice([0.0, 0.3, 0.7, 1.0])).astype(int)


@pytest.mark.parametrize("name", MEASURES)
def test_the_sweep_equals_brute_force_on_a_thousand_cases_with_ties(name):
    measure, sign = MEASURES[name], -1 if name == "cost" else 1
    for scores, labels in random_cases(1000, seed=5):
        threshold, value = best_threshold(scores, labels, measure)
        cuts, values = values_of_all_cuts(scores, labels, name, COSTS)
        assert sign * value == pytest.approx(values.max(), abs=1e-12)
        decided = scores >= threshold
        place = np.flatnonzero([np.array_equal(decided, scores >= cut) for cut in cuts])
        assert values[place] == pytest.approx(values.max(), abs=1e-12), "the threshold gives what was promised"


@pytest.mark.parametrize("name", MEASURES)
def test_among_equal_values_the_threshold_is_nearest_to_one_half(name):
    for scores, labels in random_cases(300, seed=6):
        threshold, _ = best_threshold(scores, labels, MEASURES[name])
        ordered = np.unique(scores)
        middles = [low + (high - low) / 2 for low, high in pairwise(ordered)]
        places = [ordered[0], *(np.maximum(middles, np.nextafter(ordered[:-1], 2))), np.nextafter(ordered[-1], 2)]
        _, values = values_of_all_cuts(scores, labels, name, COSTS)
        distances = [abs(place - 0.5) for place, v in zip(places, values, strict=True) if v > values.max() - 1e-12]
        assert abs(threshold - 0.5) == pytest.approx(min(distances), abs=1e-15)


def test_measures_are_those_of_scikit_learn():
    rng = np.random.default_rng(2)
    for _ in range(100):
        n = int(rng.integers(1, 30))
        decided, labels = (rng.random(n) < rng.random()).astype(int), (rng.random(n) < rng.random()).astype(int)
        assert MEASURES["accuracy"].of_decisions(decided, labels) == pytest.approx(accuracy_score(labels, decided))
        f1 = f1_score(labels, decided, zero_division=0.0)
        assert MEASURES["f1"].of_decisions(decided, labels) == pytest.approx(f1)
        if len({*decided, *labels}) > 1:
            assert MEASURES["mcc"].of_decisions(decided, labels) == pytest.approx(matthews_corrcoef(labels, decided))
        price = sum(COSTS[0] if d > y else COSTS[1] if d < y else 0 for d, y in zip(decided, labels, strict=True)) / n
        assert MEASURES["cost"].of_decisions(decided, labels) == pytest.approx(price)


def test_a_wrong_one_that_costs_much_is_avoided_and_the_other_way_round():
    rng = np.random.default_rng(3)
    labels = rng.random(500) < 0.5
    scores = np.clip(rng.normal(0.4 + 0.2 * labels, 0.2), 0, 1)
    thresholds = [best_threshold(scores, labels, Measure("cost", cost, 1.0))[0] for cost in (0.2, 1.0, 5.0)]
    assert thresholds == sorted(thresholds) and len(set(thresholds)) == 3
    assert thresholds[1] == best_threshold(scores, labels)[0], "equal costs are accuracy"


def test_counts_of_many_pairs_do_not_overflow():
    n = 3_000_000
    mcc = Measure("mcc").of_counts(*(np.array([count]) for count in (n, 0, 0, n)))
    assert mcc == pytest.approx(1.0)


def test_the_sweep_does_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(0)
    scores, labels = rng.random(50), rng.integers(0, 2, 50)
    order = rng.permutation(50)
    for measure in MEASURES.values():
        assert best_threshold(scores, labels, measure) == best_threshold(scores[order], labels[order], measure)


def test_neighbouring_floats_are_still_separated():
    low = 0.5
    high = np.nextafter(low, 1)
    threshold, value = best_threshold([low, high], [0, 1])
    assert value == 1.0 and low < threshold <= high


def test_one_class_alone_gives_a_threshold_that_gets_all_right():
    assert best_threshold([0.2, 0.8], [1, 1])[1] == 1.0
    assert best_threshold([0.2, 0.8], [0, 0])[1] == 1.0


@pytest.mark.parametrize("scores", [[], [0.1, float("nan")]])
def test_no_scores_or_nan_are_refused(scores):
    with pytest.raises(ValueError, match="finite"):
        best_threshold(scores, [1] * len(scores))


def test_the_published_margin_equals_its_probability():
    assert margin_to_threshold(0.94) == pytest.approx(0.7191, abs=1e-4)
    assert margin_to_threshold(0.0) == 0.5


def test_scores_hold_the_measures_that_are_asked_for():
    probabilities, labels = np.array([0.1, 0.6, 0.7, 0.9]), np.array([0, 0, 1, 1])
    plain = scores_of(probabilities, labels, 0.5)
    assert list(plain) == ["accuracy", "f1", "macro_f1", "loss"]
    assert scores_of(probabilities, labels, 0.5, Measure("f1")) == plain
    more = scores_of(probabilities, labels, 0.5, Measure("mcc"), Measure("cost", 4.0, 1.0))
    assert more["cost"] == 1.0 and more["mcc"] == pytest.approx(1 / math.sqrt(3))


def drawn_pairs(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = (rng.random(n) < 0.5).astype(int)
    return np.clip(rng.normal(0.4 + 0.2 * labels, 0.2), 0, 1).round(2), labels


@pytest.mark.parametrize("name", MEASURES)
def test_weighted_pairs_count_as_often_as_they_weigh(name):
    """The step that makes the bootstrap fast: counting a pair w times is having it w times."""
    scores, labels = drawn_pairs(40, seed=8)
    weights = np.random.default_rng(9).multinomial(40, np.full(40, 1 / 40), size=5)
    measure, cuts = MEASURES[name], Cuts(scores, labels)
    values = measure.of_counts(*cuts.confusions(weights))
    for row, weight in zip(values, weights, strict=True):
        again = Cuts(np.repeat(scores, weight), np.repeat(labels, weight))
        own = measure.of_counts(*again.confusions())
        decided = [np.repeat(scores, weight) >= threshold for threshold in cuts.thresholds_M]
        expected = [measure.of_decisions(d, np.repeat(labels, weight)) for d in decided]
        assert row == pytest.approx(np.array(expected))
        assert measure.name == "cost" or own.max() == pytest.approx(row.max()), "no cut is missed"


def test_the_interval_is_seeded_holds_the_threshold_and_narrows_with_more_pairs():
    few, many = drawn_pairs(100, seed=1), drawn_pairs(5000, seed=1)
    intervals = [bootstrap_interval(*pairs, seed=3) for pairs in (few, many)]
    assert intervals[0] == bootstrap_interval(*few, seed=3) != bootstrap_interval(*few, seed=4)
    for pairs, interval in zip((few, many), intervals, strict=True):
        threshold, value = best_threshold(*pairs)
        assert interval.low <= threshold <= interval.high
        assert interval.value_low < value < interval.value_high
    assert intervals[1].value_high - intervals[1].value_low < (intervals[0].value_high - intervals[0].value_low) / 4


def test_the_interval_of_the_value_is_that_of_a_share():
    """At a fixed threshold accuracy is a share of n draws, whose deviation is known."""
    scores, labels = drawn_pairs(400, seed=2)
    _, share = best_threshold(scores, labels)
    interval, deviation = bootstrap_interval(scores, labels, seed=1), math.sqrt(share * (1 - share) / 400)
    assert interval.value_low == pytest.approx(share - 1.96 * deviation, abs=0.01)
    assert interval.value_high == pytest.approx(share + 1.96 * deviation, abs=0.01)


def test_drawing_in_parts_is_drawing_at_once(monkeypatch):
    pairs = drawn_pairs(60, seed=4)
    at_once = bootstrap_interval(*pairs, seed=5)
    monkeypatch.setattr("similarity_v0.decision.threshold.CHUNK_NUMBERS", 60 * 7)
    assert bootstrap_interval(*pairs, seed=5) == at_once
