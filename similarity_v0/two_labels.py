"""Pairs with label 0 or 1, as a Target: decision/results.py decides, decision/review.py looks back."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch

from final_project.data.files.predictions import read_predictions
from final_project.data.files.tables import read_pairs
from final_project.model.decision import Decision, probabilities_of
from final_project.model.heads.outputs import Outputs
from final_project.model.learning import Learning
from final_project.run.result_files import ResultFiles
from final_project.settings import Recipe
from final_project.tokens.token_table import WHOLE_NUMBERS, LabelColumn, Row, TokenTable
from similarity_v0.decision import results
from similarity_v0.decision.review import labelled, write_review
from similarity_v0.decision.row_target import BySplit, FinishedTraining, Scores
from similarity_v0.decision.target_scale import TargetScale
from similarity_v0.splits import require_fit_for_decision, require_labels

log = logging.getLogger(__name__)


class TwoLabels:
    column: LabelColumn = WHOLE_NUMBERS
    n_texts = 2
    noun = "pairs"
    outputs: Outputs | None = None

    def __init__(self, recipe: Recipe, prepare: Path):
        self.settings, self.seed, self.prepare = recipe.similarity_v0, recipe.seed, prepare

    def rows(self, split: str) -> list[Row]:
        source = self.prepare / f"{split}.csv"
        pairs = read_pairs(source)
        require_labels(source, split, pairs)
        return [(pair.sentence1, pair.sentence2, pair.label) for pair in pairs]

    def require_fit(self) -> None:
        require_fit_for_decision(self.prepare, self.settings)

    def truth(self, table: TokenTable) -> np.ndarray:
        return table.labels.astype(np.int64)

    def answers(self, logits_BC: torch.Tensor) -> np.ndarray:
        return probabilities_of(logits_BC)

    def figures(self, answers_NC: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        """At the threshold that this moment's weights would get, without a calibration."""
        decision = Decision(results.find_threshold(self.settings, Decision(), answers_NC, truth))
        return results.scores_at(self.settings, decision, answers_NC, truth)

    def worth(self, figures: Mapping[str, float]) -> float:
        return results.best_by(self.settings, dict(figures))

    def scale_of(self, given_R: np.ndarray) -> TargetScale | None:
        return None

    def decide(self, answers_NC: np.ndarray, truth: np.ndarray) -> Decision:
        return results.decide(self.settings, answers_NC, truth)

    def score_splits(self, rule: Decision, answers: BySplit, truth: BySplit) -> Scores:
        return results.score_splits(self.settings, rule, dict(answers), dict(truth))

    def kept_of_fold(self, answers_NC: np.ndarray) -> np.ndarray:
        """P(1)."""
        return answers_NC[:, 1].copy()

    def write_results(self, folder: Path, rule: Decision, answers: BySplit, truth: BySplit) -> None:
        results.write_results(folder, self.settings, self.seed, rule, dict(answers), dict(truth))

    def review(self, trained: FinishedTraining) -> None:
        warn_of_nothing_learnt(trained.stage, self.prepare, trained.train.labels[trained.rows])
        write_review(trained.stage, self.prepare, trained.updates_per_epoch, trained.best_step)


def warn_of_nothing_learnt(stage: Path, prepare: Path, train_labels_R: np.ndarray) -> None:
    """One warning, with the figures, where the model is no better on dev than rules that need no training."""
    if len(labels := np.unique(train_labels_R)) == 1:
        log.warning(
            "similarity_v0: WARNING: all %d pairs that were trained on have label %d: there was nothing to learn",
            len(train_labels_R), labels[0],
        )  # fmt: skip
        return
    _, labels_N = labelled(prepare / "dev.csv")
    assert labels_N is not None, "require_labels has checked dev"
    _, decided_N = read_predictions(ResultFiles.of_stage(stage).predictions("dev"))
    statistics = prepare / "statistics.json"
    known = json.loads(statistics.read_text(encoding="utf-8")) if statistics.is_file() else {}
    overlap = known.get("overlap_baseline", {}).get("dev_accuracy")
    learning = Learning.of(decided_N, labels_N, overlap)
    if learning.is_nothing:
        log.warning(
            "similarity_v0: WARNING: this model has learnt nothing beyond a simple rule: %s. "
            "Do not use its rationales: they say nothing about the pairs", learning,
        )  # fmt: skip
