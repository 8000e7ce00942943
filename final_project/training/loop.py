"""The loop that both training stages share: which step comes next, resume, learning rate, checkpoints, evaluation.

What one step does is the stage's own: see posttrain/train_step.py and similarity_v0/train_step.py. Everything random
is a pure function of (seed, step, micro-batch), so a run that was killed and resumed ends with the same bits.
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Protocol

import numpy as np
import torch

from final_project.progress import Journal
from final_project.settings import Training
from final_project.training.batching import MicroBatch, epoch_steps, share_of_rank, steps_per_epoch
from final_project.training.checkpoint import Checkpoints
from final_project.training.engines.base import Engine
from final_project.training.optim import set_lr

log = logging.getLogger(__name__)


class Task(Protocol):
    """What a stage brings to the loop."""

    lengths: np.ndarray
    """Tokens of every training row."""

    def update(self, step: int, epoch: int, micro_batches: list[MicroBatch]) -> dict[str, float]:
        """Take one optimizer step on this rank's micro-batches; returns figures to log, `loss` among them."""

    def evaluate(self, step: int) -> dict[str, float]:
        """Measure on held-out rows and keep what is best; returns the figures to log."""

    def state(self) -> tuple[dict, dict[str, torch.Tensor]]:
        """What besides the engine must survive a kill: JSON values and tensors."""

    def restore(self, state: dict, tensors: dict[str, torch.Tensor]) -> None:
        """Take up what state() gave."""


def run_loop(
    task: Task, engine: Engine, settings: Training, seed: int, eval_every: int, folder: Path, label: str
) -> int:
    """Train from the newest checkpoint in `folder` (or the start) to the end; returns the number of updates.

    eval_every: updates between evaluations; 0 = at the end of each epoch. The last update is always evaluated.
    """
    world = engine.world
    if settings.step_rows // settings.micro_rows < world.size:
        log.info(
            "%s: a step has fewer micro-batches than there are processes, so some stand idle; "
            "-- %s.micro_rows=%d would give each its share",
            label, label, max(1, settings.step_rows // world.size),
        )  # fmt: skip
    per_epoch = steps_per_epoch(len(task.lengths), settings.step_rows, settings.micro_rows)
    total = per_epoch * settings.epochs
    checkpoints = Checkpoints(folder / "checkpoints", engine, world)
    resumed = checkpoints.load_newest()
    if resumed is not None:
        task.restore(*resumed)
    first = resumed[0]["step"] if resumed else 0
    engine.wrapper.train()  # models loaded from a folder come in evaluation mode
    journal = Journal(folder if world.is_first else None, label, total, first, settings.log_every)
    for epoch in range(first // per_epoch if per_epoch else 0, settings.epochs):
        steps = epoch_steps(task.lengths, settings.step_rows, settings.micro_rows, seed, epoch)
        for position, micro_batches in enumerate(steps):
            done = epoch * per_epoch + position
            if done < first:
                continue
            step = done + 1
            lr = set_lr(engine.optimizer, done, total, settings)
            figures = task.update(step, epoch, share_of_rank(micro_batches, world.rank, world.size))
            journal.update(step, sum(len(rows) for rows in micro_batches), **figures, lr=lr)
            if step == total or (step % eval_every == 0 if eval_every else step % per_epoch == 0):
                journal.evaluation(step, task.evaluate(step))
            if step % settings.checkpoint_every == 0 and step < total:
                checkpoints.save(step, *task.state())
    journal.close()
    return total
