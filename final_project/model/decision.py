"""From logits to a label: probabilities, and a classifier folder's decision rule (label 1 iff P(1) >= threshold) in
decision.json next to the weights."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from final_project import strict_json
from final_project.artifacts import write_json
from final_project.errors import ArtifactError, RecipeError
from final_project.model.calibration import Calibration

FILE_NAME = "decision.json"


def two_class_logits(logits_BC: torch.Tensor) -> torch.Tensor:
    """(B, C) logits of either kind of head -> logits of two classes, for softmax and arg max.

    One target z (C = 1) becomes the classes (0, z), because sigmoid(z) is the softmax of the second.
    """
    if logits_BC.shape[-1] > 1:
        return logits_BC
    return torch.cat([torch.zeros_like(logits_BC), logits_BC], dim=-1)


def probabilities_of(logits_BC: torch.Tensor) -> np.ndarray:
    """(B, C) logits of two classes or of one target -> probabilities of both classes, (B, 2), in float64."""
    return torch.softmax(two_class_logits(logits_BC).detach().double(), dim=-1).cpu().numpy()


@dataclass(frozen=True)
class Decision:
    """threshold: a calibrated probability. Without one (None) the label is the arg max of the logits.

    Raises RecipeError unless the threshold is finite: with NaN every label would be 0.
    """

    threshold: float | None = None
    calibration: Calibration | None = None

    def __post_init__(self) -> None:
        if self.threshold is None:
            return
        is_number = isinstance(self.threshold, (int, float)) and not isinstance(self.threshold, bool)
        if not is_number or not math.isfinite(self.threshold):
            raise RecipeError([f"threshold: expected a finite number or None, found {self.threshold!r}"])

    def positive(self, probabilities_BC: np.ndarray) -> np.ndarray:
        """(B, C) probabilities of the model -> (B,) P(1), calibrated if the decision has a calibration."""
        return self.calibration(probabilities_BC[:, 1]) if self.calibration else probabilities_BC[:, 1]

    def labels(self, probabilities_BC: np.ndarray) -> np.ndarray:
        """(B, C) probabilities of the model -> (B,) labels."""
        if self.threshold is None:
            return probabilities_BC.argmax(axis=1)
        return (self.positive(probabilities_BC) >= self.threshold).astype(np.int64)

    def save(self, folder: Path) -> None:
        calibration = {"calibration": self.calibration.facts()} if self.calibration else {}
        write_json(folder / FILE_NAME, {"threshold": self.threshold, **calibration})


def is_pair_folder(folder: str | Path) -> bool:
    """Whether a model folder has a rule of decision, which is that of a classifier of pairs; of other folders it is not
    known whether they read one text or two."""
    return (Path(folder) / FILE_NAME).is_file()


def load_decision(folder: str | Path) -> Decision:
    """The folder's rule; arg max where the folder has none, as any foreign classifier. Raises ArtifactError where it
    cannot be read, or a number in it is not finite."""
    path = Path(folder) / FILE_NAME
    if not path.is_file():
        return Decision()
    try:
        rule = strict_json.loads(path.read_text(encoding="utf-8"))
        threshold = rule["threshold"]
        if threshold is not None and (isinstance(threshold, bool) or not isinstance(threshold, (int, float))):
            raise ValueError(f"threshold is {threshold!r}")
        calibration = Calibration.from_facts(rule["calibration"]) if rule.get("calibration") else None
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        line = f":{error.lineno}" if isinstance(error, strict_json.NotFiniteNumber) else ""
        raise ArtifactError(f'{path}{line}: expected {{"threshold": number}}: {error}') from error
    return Decision(threshold, calibration)
