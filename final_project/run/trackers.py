"""Trackers that get a stage's figures besides metrics.jsonl: always TensorBoard, Weights & Biases on request."""

from __future__ import annotations

import importlib.util
import io
import os
import platform
import time
import uuid
from pathlib import Path
from typing import Protocol

from final_project.artifacts import append_whole
from final_project.errors import EnvironmentProblem, first_line


class Tracker(Protocol):
    def add(self, step: int, metrics: dict[str, float]) -> None:
        """Log finite figures of a step; raises OSError if they cannot be written."""

    def close(self) -> None:
        """Write buffered figures."""


class TensorBoard:
    """An event file, written synchronously: on a full disk SummaryWriter's thread dies with a traceback, and all
    later figures are lost."""

    def __init__(self, folder: Path, first_step: int):
        from tensorboard.compat.proto.event_pb2 import Event, SessionLog
        from tensorboard.compat.proto.summary_pb2 import Summary

        self._event, self._summary = Event, Summary
        now_s = time.time()
        self._path = folder / "tensorboard" / f"events.out.tfevents.{now_s:.0f}.{platform.node()}.{os.getpid()}"
        self._path.parent.mkdir(exist_ok=True)
        self._write(Event(wall_time=now_s, file_version="brain.Event:2"))
        # hides events past the resume step
        started = SessionLog(status=SessionLog.START)
        self._write(Event(wall_time=now_s, step=first_step + 1, session_log=started))

    def add(self, step: int, metrics: dict[str, float]) -> None:
        values = [self._summary.Value(tag=name, simple_value=value) for name, value in metrics.items()]
        self._write(self._event(wall_time=time.time(), step=step, summary=self._summary(value=values)))

    def close(self) -> None:
        """Nothing is buffered."""

    def _write(self, event) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        record = io.BytesIO()
        RecordWriter(record).write(event.SerializeToString())
        append_whole(self._path, record.getvalue())


class WeightsAndBiases:
    """One W&B run for one stage folder: a resumed stage continues the same run. WANDB_MODE=offline stores it locally.
    Raises EnvironmentProblem if wandb cannot start a run."""

    def __init__(self, folder: Path, project: str, label: str):
        import wandb

        id_path = folder / "wandb_id.txt"
        if not id_path.is_file():
            id_path.write_text(uuid.uuid4().hex, encoding="utf-8")
        run_id = id_path.read_text(encoding="utf-8")
        name = f"{folder.parent.name}/{label}"
        try:
            self._run = wandb.init(project=project, name=name, id=run_id, dir=str(folder), resume="allow")
        except wandb.errors.Error as error:  # no key, no network
            raise EnvironmentProblem(
                f"{label}.wandb={project}: {first_line(error)} WANDB_MODE=offline keeps the figures below {folder}"
            ) from error

    def add(self, step: int, metrics: dict[str, float]) -> None:
        self._run.log(metrics, step=step)

    def close(self) -> None:
        self._run.finish()


def require_wandb(project: str, label: str) -> None:
    """Raises EnvironmentProblem if a project is named and the package is missing. Called on every rank, so that none
    waits for a rank that has ended."""
    if project and importlib.util.find_spec("wandb") is None:
        raise EnvironmentProblem(f"{label}.wandb={project} needs the package wandb: .venv/bin/pip install wandb")


def trackers(folder: Path, label: str, first_step: int, wandb_project: str) -> list[Tracker]:
    found: list[Tracker] = [TensorBoard(folder, first_step)]
    if wandb_project:
        found.append(WeightsAndBiases(folder, wandb_project, label))
    return found
