"""The files of fine-tuning's result that others read, by name."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class ResultFiles:
    """Places in a result folder, whether or not there is a file. folder: runs/NAME/similarity_v0/result."""

    folder: Path

    @classmethod
    def of_stage(cls, stage: Path) -> ResultFiles:
        """stage: runs/NAME/similarity_v0, or the folder of one fold."""
        return cls(stage / "result")

    @property
    def model(self) -> Path:
        return self.folder / "model"

    @property
    def scores(self) -> Path:
        return self.folder / "scores.json"

    def predictions(self, split: str) -> Path:
        return self.folder / f"{split}_predictions.csv"
