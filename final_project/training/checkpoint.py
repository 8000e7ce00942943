"""Checkpoints of a training stage: whole or not there, the newest usable one is taken.

    checkpoints/step-00000200/     what the engine wrote, plus state.json (step, scores ...) and extra tensors
A checkpoint is written into a hidden neighbour folder and renamed when every rank has finished. The newest few are
kept, and the best.
"""

from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from final_project.artifacts import write_json
from final_project.errors import ArtifactError, first_line
from final_project.training.engines.base import Engine
from final_project.training.world import World

log = logging.getLogger(__name__)

State = tuple[dict, dict[str, torch.Tensor]]
"""What JSON can hold, and further tensors (averaged weights); the tensors may be empty."""


class Checkpoints:
    """All methods are called on every rank, and every rank comes to the same decision.

    best_step: the step whose checkpoint is kept however old it is; 0 = none.
    """

    def __init__(self, folder: Path, engine: Engine, world: World, keep: int):
        self.best_step = 0
        self._folder = folder
        self._engine = engine
        self._world = world
        self._keep = keep

    def save(self, step: int, state: State, is_best: bool = False) -> bool:
        """Write a checkpoint of the engine after `step` updates; returns whether it is there.

        Where it cannot be written, a full disk as a rule, the one before is still there and training may go on: that
        is said each time. Raises ArtifactError where there is none before: nothing would be left of the work.
        """
        partial = self._folder / f".step-{step:08d}.partial"
        final = self._folder / f"step-{step:08d}"
        problem = self._try(lambda: self._begin(partial))
        problem = problem or self._try(lambda: self._engine.save(partial))
        problem = problem or self._try(lambda: self._complete(partial, final, {"step": step, **state[0]}, state[1]))
        if problem is None:
            self.best_step = step if is_best else self.best_step
            self._drop_old()
            return True
        if self._world.is_first:
            shutil.rmtree(partial, ignore_errors=True)
        before = self._world.gather(max(self._found(), default=None))[0]
        if before is None:
            raise ArtifactError(f"{final}: cannot write the checkpoint: {problem}")
        log.warning("%s: CANNOT WRITE THE CHECKPOINT: %s; training goes on, a kill would throw it back to step %d",
                    final, problem, before)  # fmt: skip
        return False

    def load_newest(self) -> State | None:
        """Bring the engine to the newest checkpoint that can be read; returns its state.

        A damaged one is named and passed over; None where there is none. Raises ArtifactError where all are damaged:
        what a failed reading left in the engine is no start for training.
        """
        found = sorted(self._found(), reverse=True)
        for step in found:
            state, problem = self._read(step)
            if problem is None:
                log.info("resuming after step %d (%s)", step, self._path(step))
                return state
            log.warning("%s cannot be used (%s); trying the one before", self._path(step), problem)
        if found:
            raise ArtifactError(f"{self._folder}: no checkpoint can be read; start afresh with --force")
        return None

    def load_best(self) -> State:
        """Bring the engine to the best checkpoint; raises ArtifactError where it cannot be read."""
        state, problem = self._read(self.best_step)
        if state is None:
            raise ArtifactError(f"{self._path(self.best_step)}, the best checkpoint, cannot be read: {problem}")
        return state

    def _begin(self, partial: Path) -> None:
        if self._world.is_first:
            shutil.rmtree(partial, ignore_errors=True)
            partial.mkdir(parents=True)

    def _complete(self, partial: Path, final: Path, values: dict, tensors: dict[str, torch.Tensor]) -> None:
        if self._world.is_first:
            if tensors:
                save_file({name: value.contiguous() for name, value in tensors.items()}, partial / "extra.safetensors")
            write_json(partial / "state.json", values)
            shutil.rmtree(final, ignore_errors=True)
            partial.rename(final)

    def _read(self, step: int) -> tuple[State | None, str | None]:
        """(state, None), or (None, what is wrong on some rank)."""
        folder = self._path(step)
        state: State | None = None

        def read() -> None:
            nonlocal state
            values = json.loads((folder / "state.json").read_text(encoding="utf-8"))
            extra = folder / "extra.safetensors"
            tensors = load_file(extra) if extra.is_file() else {}
            self._engine.load(folder)
            state = values, tensors

        problem = self._try(read, Exception)  # whatever a damaged file makes the loaders raise
        return (state, None) if problem is None else (None, problem)

    def _try(
        self, action, expected: type | tuple = (OSError, RuntimeError, SafetensorError, ArtifactError)
    ) -> str | None:
        """Do it on this rank; returns the first problem of any rank. torch reports a full disk as a RuntimeError."""
        problem = None
        try:
            action()
        except expected as error:
            problem = first_line(error)
        return next((said for said in self._world.gather(problem) if said), None)

    def _drop_old(self) -> None:
        if self._world.is_first:
            newest = sorted(self._found(), reverse=True)[: self._keep]
            for step in set(self._found()) - {*newest, self.best_step}:
                shutil.rmtree(self._path(step), ignore_errors=True)
        self._world.barrier()

    def _found(self) -> list[int]:
        return [int(folder.name.removeprefix("step-")) for folder in self._folder.glob("step-*")]

    def _path(self, step: int) -> Path:
        return self._folder / f"step-{step:08d}"
