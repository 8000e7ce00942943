"""What a classifier's probabilities become: a decision, found on dev alone, then scores and files.

    result/dev_predictions.csv  test_predictions.csv   row,probability,label
    result/scores.json          figures at the decision, a split each that has labels
    result/threshold.json       where the cut lies, what it is best at, and how far it would wander on another dev set
    result/calibration.json     how far P(1) is from the share of pairs that are 1, before and after
Shapes: B pairs, C classes.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from final_project.artifacts import write_json
from final_project.data.files.predictions import write_predictions
from final_project.errors import TrainingError
from final_project.model.decision import Decision
from final_project.model.reliability import reliability
from final_project.run.result_files import ResultFiles
from final_project.settings import SimilarityV0
from similarity_v0.decision.fit_calibration import FOLDS, cross_fitted, fit_calibration
from similarity_v0.decision.scores import Measure, choose_measure, scores_of
from similarity_v0.decision.threshold import best_threshold, bootstrap_interval, margin_to_threshold

Scores = dict[str, dict[str, float]]
BySplit = dict[str, np.ndarray]


def decide(settings: SimilarityV0, probabilities_BC: np.ndarray, labels_B: np.ndarray) -> Decision:
    """Calibration and threshold as the recipe sets them, from dev's probabilities and labels. Never from test's."""
    calibration = None
    if settings.calibration != "none" and np.isfinite(probabilities_BC).all():
        calibration = fit_calibration(settings.calibration, probabilities_BC[:, 1], labels_B)
    return Decision(find_threshold(settings, Decision(None, calibration), probabilities_BC, labels_B), calibration)


def find_threshold(settings: SimilarityV0, rule: Decision, probabilities_BC: np.ndarray, labels_B: np.ndarray) -> float:
    """The cut on P(1) as the rule calibrates it. Raises TrainingError where the weights give no probabilities."""
    if n_bad := int((~np.isfinite(probabilities_BC[:, 1])).sum()):
        raise TrainingError(
            f"similarity_v0: {n_bad} of {len(probabilities_BC)} dev pairs have no finite probability: the weights have "
            "diverged; a lower lr, a longer warm-up or a smaller attack keeps them finite"
        )
    if settings.threshold == "half":
        return 0.5
    if settings.threshold == "margin":
        cut = margin_to_threshold(settings.logit_margin)
        return float(rule.positive(np.array([[1 - cut, cut]]))[0])
    return best_threshold(rule.positive(probabilities_BC), labels_B, choose_measure(settings))[0]


def scores_at(
    settings: SimilarityV0, decision: Decision, probabilities_BC: np.ndarray, labels_B: np.ndarray
) -> dict[str, float]:
    """The figures of one split, and the threshold that they hold at."""
    assert decision.threshold is not None, "a fine-tuned model always has a threshold"
    also = [choose_measure(settings)] + [Measure("mcc")] * (settings.best_by == "mcc")
    scores = scores_of(decision.positive(probabilities_BC), labels_B, decision.threshold, *also)
    return {**scores, "threshold": decision.threshold}


def best_by(settings: SimilarityV0, scores: dict[str, float]) -> float:
    """The figure that picks the checkpoint, sign chosen so that higher is better."""
    return -scores["loss"] if settings.best_by == "loss" else scores[settings.best_by]


def score_splits(settings: SimilarityV0, decision: Decision, probabilities: BySplit, labels: BySplit) -> Scores:
    """The figures of every split of which all labels are known (others have -1)."""
    return {
        split: scores_at(settings, decision, p_BC, labels[split])
        for split, p_BC in probabilities.items()
        if (labels[split] >= 0).all()
    }


@dataclass(frozen=True)
class Labelled:
    """Pairs on which a decision was found, by the name of their set."""

    name: str
    probabilities_BC: np.ndarray
    labels_B: np.ndarray


def write_results(
    result: Path,
    settings: SimilarityV0,
    seed: int,
    decision: Decision,
    probabilities: BySplit,
    labels: BySplit,
    found_on: Labelled | None = None,
) -> None:
    """Write the files into a folder. found_on: where the decision was found, unless that was dev."""
    found_on = found_on or Labelled("dev", probabilities["dev"], labels["dev"])
    files = ResultFiles(result)
    for split, p_BC in probabilities.items():
        write_predictions(files.predictions(split), decision.positive(p_BC), decision.labels(p_BC))
    write_json(files.scores, score_splits(settings, decision, probabilities, labels))
    write_json(result / "threshold.json", threshold_facts(settings, seed, decision, found_on))
    calibration = calibration_facts(settings, seed, decision, found_on)
    if (labels["test"] >= 0).all():  # untouched by the fit, so nothing needs to be crossed
        test_BC = probabilities["test"]
        calibration["test"] = _before_and_after(test_BC[:, 1], decision.positive(test_BC), labels["test"], decision)
    write_json(result / "calibration.json", calibration)


def threshold_facts(settings: SimilarityV0, seed: int, decision: Decision, found_on: Labelled) -> dict[str, Any]:
    """The cut, its value, and where a sweep has found it the bootstrap's intervals of both."""
    measure = choose_measure(settings)
    p_B, labels_B = decision.positive(found_on.probabilities_BC), found_on.labels_B
    facts = {
        "found_on": found_on.name,
        "kind": settings.threshold,
        "measure": measure.name,
        "rows": len(labels_B),
        "threshold": decision.threshold,
        "value": measure.of_decisions(p_B >= decision.threshold, labels_B),
        "value_at_half": measure.of_decisions(p_B >= 0.5, labels_B),
        "interval": None,
    }
    if settings.threshold == "sweep":
        facts["interval"] = asdict(bootstrap_interval(p_B, labels_B, measure, seed))
    return facts


def calibration_facts(settings: SimilarityV0, seed: int, decision: Decision, found_on: Labelled) -> dict[str, Any]:
    """The map, and the figures before and after it, each pair calibrated by a map that was fitted without it."""
    before_B, labels_B = found_on.probabilities_BC[:, 1], found_on.labels_B
    after_B = cross_fitted(settings.calibration, before_B, labels_B, seed) if decision.calibration else before_B
    return {
        "method": settings.calibration,
        "map": decision.calibration.facts() if decision.calibration else None,
        "cross_fitting_folds": FOLDS if decision.calibration else None,
        "fitted_on": found_on.name,
        "cross_fitted": _before_and_after(before_B, after_B, labels_B, decision),
        "test": None,
    }


def _before_and_after(before_B: np.ndarray, after_B: np.ndarray, labels_B: np.ndarray, decision: Decision) -> dict:
    after = reliability(after_B, labels_B) if decision.calibration else None
    return {"before": reliability(before_B, labels_B), "after": after}
