"""The decision rule of a classifier folder: label 1 iff P(1) >= threshold; decision.json beside the weights."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from final_project.artifacts import write_json
from final_project.errors import ArtifactError

FILE_NAME = "decision.json"


@dataclass(frozen=True)
class Decision:
    """threshold: a probability. Without one (None) the label is the arg max of the logits."""

    threshold: float | None = None

    def labels(self, probabilities_BC: np.ndarray) -> np.ndarray:
        """(B, C) probabilities -> (B,) labels."""
        if self.threshold is None:
            return probabilities_BC.argmax(axis=1)
        return (probabilities_BC[:, 1] >= self.threshold).astype(np.int64)

    def save(self, folder: Path) -> None:
        write_json(folder / FILE_NAME, {"threshold": self.threshold})


def load_decision(folder: str | Path) -> Decision:
    """The folder's rule; arg max where the folder has none, as any foreign classifier."""
    path = Path(folder) / FILE_NAME
    if not path.is_file():
        return Decision()
    try:
        threshold = json.loads(path.read_text(encoding="utf-8"))["threshold"]
        if threshold is not None and not isinstance(threshold, (int, float)):
            raise ValueError(f"threshold is {threshold!r}")
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f'{path}: expected {{"threshold": number}}: {error}') from error
    return Decision(threshold)
