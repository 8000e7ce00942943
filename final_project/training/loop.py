"""The loop of both training stages: order of steps, resume, learning rate, checkpoints, evaluation.

Each stage has its own step: see posttrain/train_step.py and similarity_v0/train_step.py. Everything random
is a pure function of (seed, step, micro-batch), so a killed and resumed run ends with the same bits.
"""

from __future__ import annotations

import contextlib
import logging
import math
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from final_project.parallel.signals import StopRequest, stop_requests
from final_project.run.progress import Journal
from final_project.run.trackers import require_wandb
from final_project.settings import Training
from final_project.training.batching import MicroBatch, epoch_steps, share_of_rank, steps_per_epoch
from final_project.training.checkpoint import Checkpoints
from final_project.training.engines.engine import Engine
from final_project.training.guard import FiniteGuard
from final_project.training.optim import set_lr
from final_project.training.prefetch import built_ahead
from final_project.training.throughput import Meter, ModelWork, peak_flops

log = logging.getLogger(__name__)

STEPS_AHEAD = 2


class Task(Protocol):
    """What a stage brings to the loop."""

    lengths: np.ndarray
    """Tokens of every training row."""

    line_tokens: int
    """Length of the lines into which rows are packed; 0 = no packing."""

    lowest_is_best: str
    """The evaluated figure whose lowest value marks the best checkpoint; empty: the stage keeps its best itself."""

    def prepare(self, epoch: int, micro_batches: list[MicroBatch]) -> Any:
        """Build what the update on these micro-batches needs. A pure function, which may run ahead in a thread."""

    def update(self, step: int, epoch: int, prepared: Any) -> dict[str, float]:
        """Take one optimizer step on what prepare returned; returns figures to log, among them `loss`.

        Three optional figures are used, not logged: over all ranks `predicted_tokens`, positions that the head predicts
        (default: one per row), and `padded_tokens`, tokens computed including padding (default: every row as long as
        the longest of its micro-batch); and `passes` of this step (default: those of ModelWork).
        """

    def evaluate(self, step: int) -> dict[str, float]:
        """Evaluate on held-out rows and keep the best weights; returns figures to log, if any."""

    def state(self) -> tuple[dict, dict[str, torch.Tensor]]:
        """What a checkpoint must hold besides the engine: JSON values and tensors."""

    def restore(self, state: dict, tensors: dict[str, torch.Tensor]) -> None:
        """Restore what state() returned. Raises ArtifactError if a file it relies on is damaged."""

    def describe_rows(self, rows: np.ndarray) -> list[dict]:
        """Training rows in readable form: row number, token ids, text."""


def run_loop(
    task: Task, engine: Engine, settings: Training, seed: int, eval_every: int, folder: Path, label: str,
    work: ModelWork | None = None, end_with_best: bool = False,
) -> int:  # fmt: skip
    """Train from the newest checkpoint in `folder` (or the start) to the end; returns the number of updates.

    eval_every: updates between evaluations; 0 = at the end of each epoch. The last update is always evaluated.
    work: the model's operation counts, for the FLOP rate. end_with_best: end with engine and task as at the best
    evaluation. On SIGTERM or SIGINT the current step is finished, a checkpoint written, and SystemExit raised.
    """
    require_wandb(settings.wandb, label)
    with stop_requests() as stop:
        return _Loop(task, engine, settings, seed, eval_every, folder, label, work, end_with_best).run(stop)


class _Loop:
    def __init__(
        self, task: Task, engine: Engine, settings: Training, seed: int, eval_every: int, folder: Path, label: str,
        work: ModelWork | None, end_with_best: bool,
    ):  # fmt: skip
        self.task, self.engine, self.settings, self.seed, self.label = task, engine, settings, seed, label
        self.world = engine.world
        self.end_with_best = end_with_best
        self.per_epoch = steps_per_epoch(len(task.lengths), settings.step_rows, settings.micro_rows)
        self.total = self.per_epoch * settings.epochs
        self.eval_every = eval_every or self.per_epoch
        self.best = math.inf
        self.checkpoints = Checkpoints(folder / "checkpoints", engine, self.world, settings.keep_checkpoints)
        bad_rows = folder / "bad_step.json" if self.world.is_first else None
        self.guard = FiniteGuard(settings.max_bad_steps, bad_rows, label)
        self._log_idle_processes()
        self.first, self.is_evaluated = self._resume()
        self.journal = Journal(
            folder if self.world.is_first else None, label, self.total, self.first, settings.log_every, settings.wandb
        )
        peak = self.world.sum(peak_flops(engine.world.device, engine.precision))[0] if work else 0.0
        self.meter = Meter(task.lengths, work, peak, self.world.device)
        engine.wrapper.train()  # models loaded from a folder are in evaluation mode

    def run(self, stop: StopRequest) -> int:
        with contextlib.closing(self.journal):
            if not self.is_evaluated:
                self._evaluate(self.first)
            elif self.first == 0 and self.task.lowest_is_best:
                self.journal.evaluation(0, self.task.evaluate(0))  # the first point of the curve
            self._run_epochs(stop)
        if self.end_with_best and self.checkpoints.best_step:
            log.info(
                "%s: using the weights of step %d, the best on dev or held-out rows",
                self.label,
                self.checkpoints.best_step,
            )
            self.task.restore(*self.checkpoints.load_best())
        return self.total

    def _run_epochs(self, stop: StopRequest) -> None:
        is_ahead = self.settings.prefetch == "always" or (
            self.settings.prefetch == "auto" and self.world.device.type == "cuda"
        )
        with built_ahead(self._upcoming(), STEPS_AHEAD if is_ahead else 0) as upcoming:
            for step, epoch, micro_batches, prepared in upcoming:
                self._take(step, epoch, micro_batches, prepared)
                self._stop_where_asked(step, stop)
                if self._is_evaluation_due(step):
                    self._evaluate(step)
                elif step % self.settings.checkpoint_every == 0:
                    self._save(step)

    def _upcoming(self) -> Iterator[tuple[int, int, list[np.ndarray], Any]]:
        """(step, epoch, its micro-batches over all ranks, what the task prepared for this rank), to the end."""
        settings, world = self.settings, self.world
        for epoch in range(self.first // self.per_epoch if self.per_epoch else 0, settings.epochs):
            steps = epoch_steps(
                self.task.lengths, settings.step_rows, settings.micro_rows, self.seed, epoch,
                settings.micro_tokens, self.task.line_tokens,
            )  # fmt: skip
            before = epoch * self.per_epoch
            for position in range(max(0, self.first - before), len(steps)):
                micro_batches = steps[position]
                mine = share_of_rank(micro_batches, world.rank, world.size)
                yield before + position + 1, epoch, micro_batches, self.task.prepare(epoch, mine)

    def _take(self, step: int, epoch: int, micro_batches: list[np.ndarray], prepared: Any) -> None:
        """Take one optimizer step, check and log it."""
        lr = set_lr(self.engine.optimizer, step - 1, self.total, self.settings)
        figures = self.task.update(step, epoch, prepared)
        counts = (figures.pop(name, None) for name in ("predicted_tokens", "padded_tokens"))
        n_predicted, n_computed = (None if count is None else int(count) for count in counts)
        self.meter.add(micro_batches, n_predicted, n_computed, figures.pop("passes", None))
        scale_can_fall = self.engine.loss_scale.value > 1.0
        self.guard.check(step, figures, lambda: self.task.describe_rows(np.concatenate(micro_batches)), scale_can_fall)
        self.journal.update(
            step, figures["loss"], lambda: {**figures, "lr": lr, "bad_steps": self.guard.bad, **self.meter.read()}
        )

    def _is_evaluation_due(self, step: int) -> bool:
        return step == self.total or step % self.eval_every == 0

    def _evaluate(self, step: int) -> None:
        """Evaluate, and write a checkpoint if this is the best so far or if one is due."""
        with self.meter.paused():
            figures = self.task.evaluate(step)
            self.journal.evaluation(step, figures)
        value = figures.get(self.task.lowest_is_best, math.inf)
        is_best = value < self.best
        is_last = step == self.total
        if is_best and (not is_last or self.end_with_best):
            before, self.best = self.best, value
            if not self._save(step, is_best=True):
                self.best = before
        elif step % self.settings.checkpoint_every == 0 and not is_last:
            self._save(step)

    def _save(self, step: int, is_best: bool = False, is_evaluated: bool = True) -> bool:
        best_step = step if is_best else self.checkpoints.best_step
        course = {"best": self.best if best_step else None, "best_step": best_step, "is_evaluated": is_evaluated}
        values, tensors = self.task.state()
        with self.meter.paused():
            state = {**values, "course": {**course, "guard": self.guard.state()}}
            return self.checkpoints.save(step, (state, tensors), is_best)

    def _resume(self) -> tuple[int, bool]:
        """Resume from the newest checkpoint; returns its step and whether its evaluation was done."""
        resumed = self.checkpoints.load_newest(self._restore_state)
        if resumed is None:
            return 0, True
        state, _ = resumed
        return state["step"], state["course"]["is_evaluated"]

    def _restore_state(self, state: dict, tensors: dict[str, torch.Tensor]) -> None:
        """Raises ArtifactError if a file that the state relies on is damaged."""
        course = state["course"]
        if self.end_with_best and course["best_step"]:
            self.checkpoints.require_best(course["best_step"])
        self.task.restore(state, tensors)
        self.best = math.inf if course["best"] is None else course["best"]
        self.checkpoints.best_step = course["best_step"]
        self.guard.restore(course["guard"])

    def _stop_where_asked(self, step: int, stop: StopRequest) -> None:
        """Stop every rank after this step if a signal has reached any rank."""
        asked = self.world.sum(stop.number == signal.SIGINT, stop.number == signal.SIGTERM)
        if not any(asked):
            return
        asked_by = signal.SIGTERM if asked[1] else signal.SIGINT
        is_written = self._save(step, is_evaluated=not self._is_evaluation_due(step))
        if self.world.is_first:
            kept = "its checkpoint is written" if is_written else "its checkpoint could not be written"
            log.info("%s: stopped by %s after step %d of %d; %s: the same command resumes from it",
                     self.label, asked_by.name, step, self.total, kept)  # fmt: skip
        raise SystemExit(128 + asked_by)

    def _log_idle_processes(self) -> None:
        step_rows, size = self.settings.step_rows, self.world.size
        if not self.settings.micro_tokens and step_rows // self.settings.micro_rows < size:
            log.info(
                "%s: a step has fewer micro-batches than there are processes, so some are idle; "
                "-- %s.micro_rows=%d would give each its share",
                self.label, self.label, max(1, step_rows // size),
            )  # fmt: skip
