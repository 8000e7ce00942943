"""What a row's label is, to the stage that learns it: the one place where the kinds of labels differ.

    pairs    ../two_labels.py    0 or 1 of two texts: probabilities, a threshold, calibration
    scores   numbers.py          several numbers of one text, on a scale
    labels   named_labels.py     one of many names of one text
Everything else asks a Target. Shapes: N rows, C outputs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from final_project.model.heads.outputs import Outputs
from final_project.tokens.token_table import LabelColumn, Row, TokenTable
from similarity_v0.decision.target_scale import TargetScale

BySplit = Mapping[str, np.ndarray]
Scores = dict[str, dict[str, float]]
SPLITS = ("train", "dev", "test")


class Rule(Protocol):
    """What a model folder holds beside the weights, so that its answers are read as they were judged."""

    def save(self, folder: Path) -> None: ...


@dataclass(frozen=True)
class FinishedTraining:
    """What a review looks at. updates_per_epoch: of all folds together. best_step: whose weights were kept."""

    stage: Path
    train: TokenTable
    rows: np.ndarray
    updates_per_epoch: float
    best_step: int


class Target(Protocol):
    """column: how labels lie in a token table. n_texts: of a row. noun: what rows are called. outputs: of the head;
    None = as the recipe's n_outputs says."""

    column: LabelColumn
    n_texts: int
    noun: str
    outputs: Outputs | None

    def rows(self, split: str) -> list[Row]:
        """What prepare has written for a split. Raises DataError where it is unfit."""

    def require_fit(self) -> None:
        """Refuse splits on which nothing honest could be found. Raises DataError."""

    def truth(self, table: TokenTable) -> np.ndarray:
        """The labels of a table, as figures want them."""

    def answers(self, logits_BC: torch.Tensor) -> np.ndarray:
        """A model's outputs as what its answers are: probabilities or scores, float64."""

    def figures(self, answers_NC: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        """Figures of dev during training."""

    def worth(self, figures: Mapping[str, float]) -> float:
        """The figure that picks the checkpoint, sign chosen so that higher is better."""

    def scale_of(self, given_R: np.ndarray) -> TargetScale | None:
        """What a model's outputs are scaled by, from the labels of its own training rows; None = not at all."""

    def decide(self, answers_NC: np.ndarray, truth: np.ndarray) -> Any:
        """The rule that goes with the model, found on dev alone."""

    def score_splits(self, rule: Any, answers: BySplit, truth: BySplit) -> Scores:
        """Figures of every split whose labels are known."""

    def kept_of_fold(self, answers_NC: np.ndarray) -> np.ndarray:
        """What an ensemble of folds needs of a model's answers."""

    def write_results(self, folder: Path, rule: Any, answers: BySplit, truth: BySplit) -> None:
        """Predictions and figures, into result/."""

    def review(self, trained: FinishedTraining) -> None:
        """What a person wants to look at after a training, from the files in result/; and whether the model has learnt
        anything."""
