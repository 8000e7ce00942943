from __future__ import annotations

import numpy as np
import pytest
from reference import best_cut

from similarity_v0.scores import scores_of
from similarity_v0.threshold import best_threshold, threshold_of_margin


@pytest.mark.parametrize("metric", ["accuracy", "f1"])
def test_the_sweep_equals_brute_force_on_a_thousand_cases_with_ties(metric):
    rng = np.random.default_rng(5)
    for _ in range(1000):
        n = int(rng.integers(1, 12))
        scores = np.round(rng.random(n), int(rng.integers(0, 3)))
        labels = rng.integers(0, 2, n)
        threshold, value = best_threshold(scores, labels, metric)
        assert value == pytest.approx(best_cut(scores.tolist(), labels.tolist(), metric), abs=1e-12)
        assert scores_of(scores, labels, threshold)[metric] == pytest.approx(value)


def test_the_sweep_does_not_depend_on_the_order_of_rows():
    rng = np.random.default_rng(0)
    scores, labels = rng.random(50), rng.integers(0, 2, 50)
    order = rng.permutation(50)
    assert best_threshold(scores, labels) == best_threshold(scores[order], labels[order])


def test_neighbouring_floats_are_still_told_apart():
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


def test_the_original_margin_is_the_probability_it_stands_for():
    assert threshold_of_margin(0.94) == pytest.approx(0.7191, abs=1e-4)
    assert threshold_of_margin(0.0) == 0.5
