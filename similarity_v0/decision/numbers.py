"""Texts with several scores, as a Target.

    result/dev_predictions.csv  test_predictions.csv   id,<names>: scores cut to the scale, at most six decimals
    result/scores.json          figures of each split with known scores, over targets and of each
    result/baselines.json       the same for rules that read no text: the training mean, a line on the log length
    result/submission.csv       the test rows' scores under the name of their id column, where they have ids
    result/curves.csv           an evaluation a row
Shapes: N rows, C targets.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch

from final_project.artifacts import read_json, write_json
from final_project.data.files.score_files import read_scores_csv, write_scores_csv
from final_project.data.files.text_columns import TextColumns
from final_project.data.files.text_rows import read_text_rows
from final_project.data.quality.strata import score_matrix
from final_project.data.records import TextRow
from final_project.model.heads.outputs import Outputs
from final_project.model.scale import Scale
from final_project.model.score_loss import ScoreLoss, ScoreLossName
from final_project.settings import Recipe
from final_project.tokens.token_table import LabelColumn, Row, TokenTable
from similarity_v0.decision.review import write_curves
from similarity_v0.decision.row_target import BySplit, FinishedTraining, Scores
from similarity_v0.decision.score_metrics import flat_figures, score_figures
from similarity_v0.decision.target_scale import TargetScale

log = logging.getLogger(__name__)

LOWER_IS_BETTER = ("mcrmse", "mae", "loss")


class Numbers:
    n_texts = 1
    noun = "texts"

    def __init__(self, recipe: Recipe, prepare: Path):
        self.settings, self.prepare = recipe.similarity_v0, prepare
        self.scale = Scale.of(recipe.targets)
        self.columns = TextColumns.of_prepared(recipe.targets)
        self.column = LabelColumn("float32", len(self.scale.names))
        self.loss = ScoreLoss(
            cast(ScoreLossName, self.settings.loss), self.settings.smooth_l1_beta, recipe.targets.weights or None
        )
        self.outputs: Outputs | None = Outputs(self.scale.names, "regression")

    def read(self, split: str) -> list[TextRow]:
        return read_text_rows(self.prepare / f"{split}.csv", self.columns)

    @cached_property
    def ids(self) -> dict[str, list[str]]:
        return {split: [row.id for row in self.read(split)] for split in ("dev", "test")}

    def rows(self, split: str) -> list[Row]:
        return [(row.text, None, row.scores) for row in self.read(split)]

    def require_fit(self) -> None:
        """prepare has checked everything: no score is found on dev."""

    def truth(self, table: TokenTable) -> np.ndarray:
        return table.labels.astype(np.float64)

    def answers(self, logits_BC: torch.Tensor) -> np.ndarray:
        return logits_BC.detach().double().cpu().numpy()

    def figures(self, answers_NC: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        """Of the answers cut to the scale; `loss` is the recipe's loss in points, of all rows together."""
        figures = flat_figures(score_figures(self.scale.clipped(answers_NC), truth, self.scale))
        return figures | {"loss": self.loss.of_set(answers_NC, truth)}

    def worth(self, figures: Mapping[str, float]) -> float:
        """A figure that is not defined, as a correlation with a constant, is worse than any other."""
        name = self.settings.best_by
        value = figures.get(name)
        if value is None:
            return -np.inf
        return -value if name in LOWER_IS_BETTER else value

    def scale_of(self, given_R: np.ndarray) -> TargetScale | None:
        return TargetScale.of(self.settings.target_scale, given_R.astype(np.float64), self.scale.names)

    def decide(self, answers_NC: np.ndarray, truth: np.ndarray) -> Scale:
        return self.scale

    def score_splits(self, rule: Scale, answers: BySplit, truth: BySplit) -> Scores:
        return {
            split: self.figures(answers_NC, truth[split])
            for split, answers_NC in answers.items()
            if np.isfinite(truth[split]).any()
        }

    def kept_of_fold(self, answers_NC: np.ndarray) -> np.ndarray:
        return answers_NC

    def write_results(self, folder: Path, rule: Scale, answers: BySplit, truth: BySplit) -> None:
        found: dict[str, Any] = {}
        for split, answers_NC in answers.items():
            clipped_NC = rule.clipped(answers_NC)
            write_scores_csv(folder / f"{split}_predictions.csv", self.ids[split], rule.names, clipped_NC)
            if np.isfinite(truth[split]).any():
                found[split] = score_figures(clipped_NC, truth[split], rule)
        if id_column := read_json(self.prepare / "statistics.json").get("id_column"):
            clipped_NC = rule.clipped(answers["test"])
            write_scores_csv(folder / "submission.csv", self.ids["test"], rule.names, clipped_NC, id_column)
        write_json(folder / "scores.json", found)

    def review(self, trained: FinishedTraining) -> None:
        result = trained.stage / "result"
        write_curves(trained.stage, trained.updates_per_epoch, trained.best_step)
        rules = self._baselines(trained)
        write_json(result / "baselines.json", rules)
        for split in ("dev", "test"):
            ours_NC = read_scores_csv(result / f"{split}_predictions.csv", self.scale.names)
            given_NC = score_matrix(self.read(split))
            if not np.isfinite(given_NC).any():
                continue
            ours = score_figures(ours_NC, given_NC, self.scale)["mcrmse"]
            beside = {name: of_split[split]["mcrmse"] for name, of_split in rules.items()}
            shown = ", ".join(f"{name.replace('_', ' ')} {value:.4f}" for name, value in beside.items())
            log.info("similarity_v0: %s mcrmse %.4f, beside %s", split, ours, shown)
            if split == "dev" and ours >= min(beside.values()):
                log.warning(
                    "similarity_v0: WARNING: this model has learnt nothing that a rule without words does not know; "
                    "its explanations say nothing about the texts"
                )

    def _baselines(self, trained: FinishedTraining) -> dict[str, dict[str, Any]]:
        """Figures on dev and test of two rules: each score's training mean, and its line on the log of the length in
        words."""
        train = self.read("train")
        given_RC = self.truth(trained.train)[trained.rows]
        length_R = log_lengths(train)[trained.rows]
        means_C = np.nanmean(given_RC, axis=0)
        lines = [_line(length_R, scores_R) for scores_R in given_RC.T]
        found: dict[str, dict[str, Any]] = {"training_mean": {}, "length_line": {}}
        for split in ("dev", "test"):
            rows = self.read(split)
            given_NC = score_matrix(rows)
            if np.isfinite(given_NC).any():
                constant_NC = np.tile(means_C, (len(rows), 1))
                by_length_NC = np.stack([slope * log_lengths(rows) + base for slope, base in lines], axis=1)
                found["training_mean"][split] = score_figures(constant_NC, given_NC, self.scale)
                found["length_line"][split] = score_figures(self.scale.clipped(by_length_NC), given_NC, self.scale)
        return found


def log_lengths(rows: list[TextRow]) -> np.ndarray:
    return np.log1p([len(row.text.split()) for row in rows])


def _line(x_N: np.ndarray, y_N: np.ndarray) -> tuple[float, float]:
    """Slope and intercept by least squares, over the rows where y is known."""
    known_N = np.isfinite(y_N)
    x_N, y_N = x_N[known_N], y_N[known_N]
    if not np.ptp(x_N):
        return 0.0, float(y_N.mean())
    slope, base = np.polyfit(x_N, y_N, 1)
    return float(slope), float(base)
