"""Where a stage's figures go besides metrics.jsonl: TensorBoard always, Weights & Biases when asked."""

from __future__ import annotations

import importlib.util
import logging
import uuid
from pathlib import Path
from typing import Protocol

from final_project.errors import EnvironmentProblem

log = logging.getLogger(__name__)


class Tracker(Protocol):
    def add(self, step: int, metrics: dict[str, float]) -> None:
        """Note figures of a step."""

    def close(self) -> None:
        """Write what is still in memory."""


class TensorBoard:
    def __init__(self, folder: Path, first_step: int):
        from torch.utils.tensorboard import SummaryWriter  # slow to import, so only where it is used

        self._writer = SummaryWriter(str(folder / "tensorboard"), purge_step=first_step + 1)

    def add(self, step: int, metrics: dict[str, float]) -> None:
        for name, value in metrics.items():
            self._writer.add_scalar(name, value, step)

    def close(self) -> None:
        self._writer.close()


class WeightsAndBiases:
    """One W&B run for one stage folder: a resumed stage goes on in the same run. WANDB_MODE=offline keeps it here."""

    def __init__(self, folder: Path, project: str, label: str):
        import wandb

        id_path = folder / "wandb_id.txt"
        if not id_path.is_file():
            id_path.write_text(uuid.uuid4().hex, encoding="utf-8")
        run_id = id_path.read_text(encoding="utf-8")
        name = f"{folder.parent.name}/{label}"
        self._run = wandb.init(project=project, name=name, id=run_id, dir=str(folder), resume="allow")

    def add(self, step: int, metrics: dict[str, float]) -> None:
        self._run.log(metrics, step=step)

    def close(self) -> None:
        self._run.finish()


def require_wandb(project: str, label: str) -> None:
    """Raises EnvironmentProblem where a project is named and the package is missing. Called on every rank, so that
    none waits for one that has ended."""
    if project and importlib.util.find_spec("wandb") is None:
        raise EnvironmentProblem(f"{label}.wandb={project} needs the package wandb: .venv/bin/pip install wandb")


def trackers(folder: Path, label: str, first_step: int, wandb_project: str) -> list[Tracker]:
    found: list[Tracker] = [TensorBoard(folder, first_step)]
    if wandb_project:
        found.append(WeightsAndBiases(folder, wandb_project, label))
    return found
