"""The explained number F: the one number of a model's answer that an explanation is about, read from the logits.

Kinds of models: `classes` (one of C excludes the others), `labels` (each of C for itself), `score` (bare numbers).
One output with a decision rule is treated as two classes (final_project.model.decision.two_class_logits).
Targets: `predicted`, the decided class; a class by its number; `both`, the decided class against its strongest rival.
Shapes: B rows, N rows that may be repeated, C classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from final_project.errors import RecipeError
from final_project.model.decision import Decision

CLASSES, LABELS, SCORE = "classes", "labels", "score"
Target = str | int


def output_kind(config: Any, decision: Decision | None) -> str:
    """A transformers config and the rule that its answers are read by -> CLASSES, LABELS or SCORE."""
    if getattr(config, "problem_type", None) == "regression" or (config.num_labels == 1 and decision is None):
        return SCORE
    return LABELS if getattr(config, "problem_type", None) == "multi_label_classification" else CLASSES


def number_of(target: Target, names: Sequence[str], kind: str) -> Target:
    """A score's name as its number; any other target as it is."""
    if kind != SCORE or not isinstance(target, str) or target in ("predicted", "both") or target not in names:
        return target
    return list(names).index(target)


def require_one_score(target: Target, names: Sequence[str]) -> None:
    """Raises RecipeError where several scores, none of which excludes another, are asked for the decided one."""
    if len(names) > 1 and target in ("predicted", "both"):
        raise RecipeError([f"target: {target} means nothing among several scores; name one of {', '.join(names)}"])


def check_target(target: Target, n_classes: int) -> None:
    """Raises RecipeError where the model has no such class, or no second one."""
    if isinstance(target, int) and not isinstance(target, bool):
        if 0 <= target < n_classes:
            return
        raise RecipeError([f"target: expected a class from 0 to {n_classes - 1}, found {target}"])
    if target not in ("predicted", "both"):
        raise RecipeError(
            [f"target: expected predicted, both or the number of a class, or the name of a score, found {target!r}"]
        )
    if target == "both" and n_classes == 1:
        raise RecipeError(["target: both needs two classes, but this model gives one score"])


@dataclass(frozen=True)
class ExplainedNumber:
    """Which number is explained. for_B: the class asked about; against_B: its rival, where the target is `both`."""

    kind: str
    for_B: Tensor
    against_B: Tensor | None = None

    def values(self, logits_NC: Tensor, rows_N: Tensor) -> Tensor:
        """(N,) log-probability of the class, difference of logits to its rival, or the score."""
        for_N1 = self.for_B[rows_N].unsqueeze(1)
        if self.against_B is not None:
            difference_N1 = logits_NC.gather(1, for_N1) - logits_NC.gather(1, self.against_B[rows_N].unsqueeze(1))
            return difference_N1.squeeze(1)
        return log_probabilities_or_scores(self.kind, logits_NC).gather(1, for_N1).squeeze(1)


def question(target: Target, kind: str, logits_BC: Tensor, labels_B: Tensor) -> ExplainedNumber:
    """What the target asks of these rows, given their decided classes."""
    for_B = torch.full_like(labels_B, target) if isinstance(target, int) else labels_B
    if target != "both":
        return ExplainedNumber(kind, for_B)
    rivals_BC = logits_BC.detach().scatter(1, for_B.unsqueeze(1), -torch.inf)
    return ExplainedNumber(kind, for_B, rivals_BC.argmax(dim=1))


def log_probabilities_or_scores(kind: str, logits_NC: Tensor) -> Tensor:
    """(N, C) log-probabilities; the numbers themselves where the model gives scores."""
    if kind == SCORE:
        return logits_NC
    return torch.nn.functional.logsigmoid(logits_NC) if kind == LABELS else logits_NC.log_softmax(dim=-1)
