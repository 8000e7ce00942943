"""A scorer folder's scale: names, bounds and steps of its scores, in scale.json next to the weights.

Rounding: low + step * floor((x - low) / step + 1/2), cut to the bounds; a tie goes up, where numpy's goes to even.
Shapes: N rows, C targets.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from final_project import strict_json
from final_project.artifacts import write_json
from final_project.errors import ArtifactError
from final_project.settings import Targets

FILE_NAME = "scale.json"
LABELS_FILE = "labels.json"  # of a folder that tells named labels of single texts apart


@dataclass(frozen=True)
class Scale:
    """names: of the scores, in the order of the model's outputs. step: 0 = any number."""

    names: tuple[str, ...]
    low: float
    high: float
    step: float

    @classmethod
    def of(cls, targets: Targets) -> Scale:
        return cls(tuple(targets.names), targets.low, targets.high, targets.step)

    def at(self, target: int) -> Scale:
        """That of one target."""
        return Scale((self.names[target],), self.low, self.high, self.step)

    @property
    def n_steps(self) -> int:
        return round((self.high - self.low) / self.step)

    def clipped(self, values: np.ndarray) -> np.ndarray:
        return np.clip(values, self.low, self.high)

    def steps_of(self, values: np.ndarray) -> np.ndarray:
        """The number of the nearest step, from 0, int64. Raises ValueError where the scale has no steps."""
        if not self.step:
            raise ValueError("a scale without steps has nothing to round to")
        return np.clip(np.floor((values - self.low) / self.step + 0.5), 0, self.n_steps).astype(np.int64)

    def rounded(self, values: np.ndarray) -> np.ndarray:
        """The nearest step; the values cut to the bounds where the scale has no steps."""
        return self.low + self.step * self.steps_of(values) if self.step else self.clipped(values)

    def save(self, folder: Path) -> None:
        bounds = {"low": self.low, "high": self.high, "step": self.step}
        write_json(folder / FILE_NAME, {"targets": [{"name": name, **bounds} for name in self.names]})

    def require_names(self, names: Sequence[str], folder: str | Path) -> None:
        """Raises ArtifactError where the folder has other scores than a recipe or a file asks for."""
        if tuple(names) != self.names:
            raise ArtifactError(
                f"{folder}: expected targets {', '.join(names)}; the folder has {', '.join(self.names)}"
            )


def is_scorer_folder(folder: str | Path) -> bool:
    """Whether a model folder has a scale, which is that of a scorer of single texts."""
    return (Path(folder) / FILE_NAME).is_file()


def is_text_folder(folder: str | Path) -> bool:
    """Whether a model folder says that it reads single texts: it has a scale, or named labels."""
    return is_scorer_folder(folder) or (Path(folder) / LABELS_FILE).is_file()


def load_scale(folder: str | Path) -> Scale:
    """Raises ArtifactError where the folder has none, or it cannot be read."""
    path = Path(folder) / FILE_NAME
    try:
        entries = strict_json.loads(path.read_text(encoding="utf-8"))["targets"]
        low, high, step = (float(entries[0][key]) for key in ("low", "high", "step"))
        if not low < high or step < 0 or not all(map(math.isfinite, (low, high, step))):
            raise ValueError(f"low {low}, high {high}, step {step}")
        return Scale(tuple(str(entry["name"]) for entry in entries), low, high, step)
    except OSError as error:
        raise ArtifactError(f"{path}: no scorer of texts: {error.strerror}") from error
    except (KeyError, IndexError, TypeError, ValueError, RecursionError) as error:
        raise ArtifactError(f'{path}: expected {{"targets": [{{name, low, high, step}}]}}: {error}') from error
