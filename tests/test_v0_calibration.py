"""Calibration: fitted where it should be lowest, never turning pairs around, measured on pairs that it has not seen."""

from __future__ import annotations

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from scipy.optimize import brentq
from sklearn.calibration import calibration_curve
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import brier_score_loss, log_loss

from final_project.data.quality.groups import stratified_folds
from final_project.errors import ArtifactError, TrainingError
from final_project.model.calibration import Calibration, logit, sigmoid
from final_project.model.decision import Decision, load_decision
from final_project.model.reliability import N_BINS, reliability
from final_project.settings import SimilarityV0
from similarity_v0.decision.fit_calibration import FOLDS, cross_fitted, fit_calibration
from similarity_v0.decision.results import decide, write_results
from similarity_v0.decision.scores import choose_measure
from similarity_v0.decision.threshold import best_threshold

METHODS = ("temperature", "platt", "isotonic")


def overconfident(n: int = 400, seed: int = 0, sharpness: float = 3.0, shift: float = 0.0):
    """P(1) whose logits are `sharpness` times what they should be, moved by `shift`; and labels."""
    rng = np.random.default_rng(seed)
    true_logits = rng.normal(0, 1.2, n)
    labels = (rng.random(n) < sigmoid(true_logits)).astype(int)
    return sigmoid(sharpness * true_logits + shift), labels


def mean_nll(slope: float, intercept: float, p: np.ndarray, targets: np.ndarray) -> float:
    total = 0.0
    for probability, target in zip(p.tolist(), targets.tolist(), strict=True):
        z = slope * math.log(probability / (1 - probability)) + intercept
        total -= target * math.log(1 / (1 + math.exp(-z))) + (1 - target) * math.log(1 / (1 + math.exp(z)))
    return total / len(p)


def test_the_temperature_is_where_the_loss_is_flat():
    p, labels = overconfident()
    found = fit_calibration("temperature", p, labels)

    def slope_of_loss(s: float) -> float:
        z = logit(p)
        return float(np.mean((sigmoid(s * z) - labels) * z))

    assert found.slope == pytest.approx(brentq(slope_of_loss, 1e-3, 10, xtol=1e-12), rel=1e-5)
    assert found.intercept == 0.0
    assert found.slope == pytest.approx(1 / 3, rel=0.25), "the logits were three times too large"


def test_platt_is_a_logistic_regression_on_the_logits_with_smoothed_targets():
    p, labels = overconfident(shift=1.5)
    found = fit_calibration("platt", p, labels)
    positive = labels.sum()
    targets = np.where(labels == 1, (positive + 1) / (positive + 2), 1 / (len(labels) - positive + 2))
    lowest = mean_nll(found.slope, found.intercept, p, targets)
    for step in (1e-3, -1e-3):
        assert mean_nll(found.slope + step, found.intercept, p, targets) > lowest
        assert mean_nll(found.slope, found.intercept + step, p, targets) > lowest

    # the same as a regression on each pair twice, once with either label, weighted by its target
    weights = np.concatenate([targets, 1 - targets])
    peer = LogisticRegression(C=np.inf, tol=1e-10, max_iter=1000)
    peer.fit(np.tile(logit(p), 2)[:, None], np.repeat([1, 0], len(p)), sample_weight=weights)
    assert (found.slope, found.intercept) == pytest.approx((peer.coef_[0, 0], peer.intercept_[0]), abs=1e-4)


def test_isotonic_is_the_best_rising_step_function():
    """Against the definition: value of a pair = max over starts before it of min over ends behind it of block means."""
    p, labels = overconfident(40, seed=3)
    p = p.round(2)  # ties
    p = np.clip(p, 0.01, 0.99)
    values, places = np.unique(p, return_inverse=True)
    blocks = [labels[places == at] for at in range(len(values))]
    expected = []
    for at in range(len(values)):
        highest = -math.inf
        for start in range(at + 1):
            lowest = min(np.concatenate(blocks[start : end + 1]).mean() for end in range(at, len(values)))
            highest = max(highest, lowest)
        expected.append(min(max(highest, 1 / 42), 41 / 42))
    np.testing.assert_allclose(fit_calibration("isotonic", p, labels)(values), expected, atol=1e-12)


@pytest.mark.parametrize("method", METHODS)
def test_a_calibration_never_decreases_and_survives_json(method, tmp_path):
    p, labels = overconfident()
    found = fit_calibration(method, p, labels)
    grid = np.r_[0.0, 1e-12, np.linspace(0, 1, 1001), 1.0]
    values = found(np.sort(grid))
    assert (np.diff(values) >= 0).all() and (values >= 0).all() and (values <= 1).all()
    Decision(0.4, found).save(tmp_path)
    assert load_decision(tmp_path) == Decision(0.4, found)
    json.loads((tmp_path / "decision.json").read_text())


@pytest.mark.parametrize("method", METHODS)
def test_scores_that_fall_with_the_label_are_not_turned_around(method):
    p, labels = overconfident()
    values = fit_calibration(method, p, 1 - labels)(np.array([0.1, 0.5, 0.9]))
    assert values[0] <= values[1] <= values[2]


@pytest.mark.parametrize("method", METHODS)
def test_perfectly_separable_pairs_do_not_become_certain(method):
    p, labels = np.array([0.1, 0.2, 0.8, 0.9]), np.array([0, 0, 1, 1])
    values = fit_calibration(method, p, labels)(p)
    assert np.isfinite(np.log(values)).all() and np.isfinite(np.log1p(-values)).all()
    assert (values[:2] < 0.5).all() and (values[2:] > 0.5).all()


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_pairs_does_not_matter(method):
    p, labels = overconfident(100)
    order = np.random.default_rng(1).permutation(100)
    grid = np.linspace(0.01, 0.99, 50)
    np.testing.assert_allclose(
        fit_calibration(method, p, labels)(grid), fit_calibration(method, p[order], labels[order])(grid), atol=1e-6
    )


def reference_ece(p, labels, edges) -> float:
    total = 0.0
    for at, (low, high) in enumerate(pairwise(edges)):
        members = [i for i in range(len(p)) if (low < p[i] <= high) or (at == 0 and p[i] == low)]
        if members:
            total += abs(sum(labels[i] for i in members) - sum(p[i] for i in members))
    return total / len(p)


def test_the_figures_of_reliability_are_those_of_their_definitions():
    p, labels = overconfident(300, seed=5)
    p[:20], p[20:30], p[30:40] = 0.2, 0.0, 1.0
    figures = reliability(p, labels)
    assert figures["nll"] == pytest.approx(log_loss(labels, p))
    assert figures["brier"] == pytest.approx(brier_score_loss(labels, p))
    assert figures["ece_equal_width"] == pytest.approx(reference_ece(p, labels, np.linspace(0, 1, N_BINS + 1)))
    quantiles = np.unique(np.quantile(p, np.linspace(0, 1, N_BINS + 1)))
    assert figures["ece_equal_mass"] == pytest.approx(reference_ece(p, labels, quantiles))
    shares, means = calibration_curve(labels, p, n_bins=N_BINS, strategy="uniform")
    bins = figures["bins_equal_width"]
    np.testing.assert_allclose([b["mean_probability"] for b in bins], means)
    np.testing.assert_allclose([b["share_positive"] for b in bins], shares)
    assert sum(b["n"] for b in bins) == sum(b["n"] for b in figures["bins_equal_mass"]) == 300


@pytest.mark.parametrize("p", [[0.3], [0.5, 0.5, 0.5], [0.0, 1.0]])
def test_few_and_equal_probabilities_have_figures(p):
    labels = np.arange(len(p)) % 2
    figures = reliability(np.array(p), labels)
    expected = abs(labels.mean() - np.mean(p)) if len(set(p)) == 1 else 0.0
    assert figures["ece_equal_mass"] == pytest.approx(expected)
    assert figures["ece_equal_width"] == pytest.approx(expected)


@pytest.mark.parametrize("method", METHODS)
def test_cross_fitting_calibrates_each_pair_by_a_map_that_has_not_seen_it(method):
    p, labels = overconfident(60, seed=7)
    crossed = cross_fitted(method, p, labels, seed=1)
    fold = stratified_folds(labels, FOLDS, seed=1)
    for number in range(FOLDS):
        out = fold == number
        assert out.sum() == 12 and abs(labels[out].mean() - labels.mean()) < 0.1
        assert np.array_equal(crossed[out], fit_calibration(method, p[~out], labels[~out])(p[out]))
    assert not np.array_equal(crossed, cross_fitted(method, p, labels, seed=2))


@pytest.mark.parametrize("method", METHODS)
def test_calibration_lowers_the_loss_of_overconfident_probabilities_on_other_pairs(method):
    fitted = fit_calibration(method, *overconfident(2000, seed=1))
    p, labels = overconfident(2000, seed=2)
    before, after = reliability(p, labels), reliability(fitted(p), labels)
    assert after["nll"] < before["nll"] - 0.05
    assert after["brier"] < before["brier"]
    assert after["ece_equal_width"] < before["ece_equal_width"] / 3


def two_columns(p: np.ndarray) -> np.ndarray:
    return np.stack([1 - p, p], axis=1)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("metric", ["accuracy", "f1", "mcc", "cost"])
def test_with_a_calibration_the_decision_is_as_good_on_dev_as_without(method, metric):
    """The map keeps the order, so the best cut is still there; isotonic levels only what no best cut parts."""
    p, labels = overconfident(300, shift=0.5)
    values = []
    for calibration in ("none", method):
        settings = SimilarityV0(calibration=calibration, threshold_metric=metric, false_negative_cost=2.0)
        decided = decide(settings, two_columns(p), labels).labels(two_columns(p))
        values.append(choose_measure(settings).of_decisions(decided, labels))
    assert values[1] == pytest.approx(values[0], abs=1e-12)


@pytest.mark.parametrize("method", ["temperature", "platt"])
def test_the_margin_on_the_logits_is_the_same_cut_with_a_calibration(method):
    p, labels = overconfident(300, shift=0.5)
    plain, calibrated = (
        decide(SimilarityV0(threshold="margin", calibration=c), two_columns(p), labels) for c in ("none", method)
    )
    assert np.array_equal(plain.labels(two_columns(p)), calibrated.labels(two_columns(p)))
    assert plain.threshold != calibrated.threshold


def test_a_fixed_half_is_a_half_of_the_calibrated_probability():
    p, labels = overconfident(300, shift=2.0)
    decision = decide(SimilarityV0(threshold="half", calibration="platt"), two_columns(p), labels)
    assert decision.threshold == 0.5
    assert np.array_equal(decision.labels(two_columns(p)), (decision.positive(two_columns(p)) >= 0.5).astype(int))
    assert not np.array_equal(decision.labels(two_columns(p)), (p >= 0.5).astype(int))


def test_a_folder_without_a_calibration_is_as_before(tmp_path):
    Decision(0.25).save(tmp_path)
    assert (tmp_path / "decision.json").read_text() == '{\n "threshold": 0.25\n}\n'
    assert load_decision(tmp_path) == Decision(0.25)


@pytest.mark.parametrize(
    "calibration",
    [
        {"method": "magic"},
        {"method": "platt", "slope": -1.0, "intercept": 0.0},
        {"method": "platt", "slope": "steep", "intercept": 0.0},
        {"method": "temperature"},
        {"method": "isotonic", "knots": []},
        {"method": "isotonic", "knots": [[0.1, 0.5], [0.2, 0.4]]},
        {"method": "isotonic", "knots": [[0.1, 0.5, 0.7]]},
        "platt",
    ],
)
def test_a_damaged_calibration_is_one_message(calibration, tmp_path):
    (tmp_path / "decision.json").write_text(json.dumps({"threshold": 0.5, "calibration": calibration}))
    with pytest.raises(ArtifactError, match=r"decision\.json: expected"):
        load_decision(tmp_path)


@pytest.mark.parametrize("method", ["none", *METHODS])
def test_the_files_of_an_outcome_agree_with_each_other(method, tmp_path):
    p_dev, dev = overconfident(200, seed=1)
    p_test, test = overconfident(100, seed=2)
    settings = SimilarityV0(calibration=method)
    probabilities = {"dev": two_columns(p_dev), "test": two_columns(p_test)}
    decision = decide(settings, probabilities["dev"], dev)
    write_results(tmp_path, settings, 1, decision, probabilities, {"dev": dev, "test": test})
    calibration, threshold, scores = (
        json.loads((tmp_path / f"{name}.json").read_text()) for name in ("calibration", "threshold", "scores")
    )
    assert threshold["threshold"] == scores["dev"]["threshold"] == decision.threshold
    best = best_threshold(decision.positive(probabilities["dev"]), dev)[1]
    assert threshold["value"] == scores["dev"]["accuracy"] == best
    assert threshold["interval"]["low"] <= threshold["threshold"] <= threshold["interval"]["high"]
    assert calibration["cross_fitted"]["before"]["nll"] == pytest.approx(log_loss(dev, p_dev))
    assert calibration["test"]["before"]["nll"] == pytest.approx(log_loss(test, p_test))
    if method == "none":
        assert calibration["map"] is calibration["cross_fitted"]["after"] is calibration["test"]["after"] is None
    else:
        assert Calibration.from_facts(calibration["map"]) == decision.calibration
        assert calibration["test"]["after"]["nll"] == pytest.approx(scores["test"]["loss"])
        assert calibration["cross_fitted"]["after"]["nll"] < calibration["cross_fitted"]["before"]["nll"]


def test_weights_that_have_diverged_are_one_message():
    p = np.array([0.2, np.nan, 0.7])
    for calibration in ("none", "platt"):
        with pytest.raises(TrainingError, match="1 of 3 dev pairs have no finite probability"):
            decide(SimilarityV0(calibration=calibration), two_columns(p), np.array([0, 1, 1]))
