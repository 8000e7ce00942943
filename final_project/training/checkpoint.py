"""Checkpoints of a training stage: each is whole or absent, and a run resumes from the newest usable one.

    checkpoints/step-00000200/     what the engine wrote, state.json (step, scores ...), extra tensors; contents.json
A checkpoint is written into a hidden folder next to its own and renamed when every rank has finished. The newest few
and the best are kept. contents.json holds size and digest of every file; a checkpoint is read only if all
match. Folders with other names are left alone.
"""

from __future__ import annotations

import json
import logging
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from final_project.artifacts import damage_of, remove, seal, write_json
from final_project.errors import ArtifactError, first_line
from final_project.parallel.world import World
from final_project.training.engines.engine import Engine

log = logging.getLogger(__name__)

EXPECTED = (OSError, RuntimeError, SafetensorError, ArtifactError)
"""Errors of writing and reading a checkpoint; torch reports a full disk as a RuntimeError."""

State = tuple[dict, dict[str, torch.Tensor]]
"""JSON values, and further tensors such as averaged weights; there may be none."""


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
        """Write a checkpoint of the engine after `step` updates; returns whether it was written.

        If it cannot be written (usually a full disk), the previous one is kept, a warning is logged and training
        continues. Raises ArtifactError if there is no previous one: a kill would lose all work.
        """
        partial = self._folder / f".step-{step:08d}.partial"
        final = self._folder / f"step-{step:08d}"
        problem = self._try(lambda: self._begin(partial))
        problem = problem or self._try(lambda: self._engine.save(partial))
        problem = problem or self._try(lambda: self._complete(partial, final, {"step": step, **state[0]}, state[1]))
        if problem is None:
            self.best_step = step if is_best else self.best_step
            self._drop_old(step)
            return True
        if self._world.is_first:
            remove(partial)
        before = self._world.gather(max((found for found in self._found() if found <= step), default=None))[0]
        if before is None:
            raise ArtifactError(f"{final}: cannot write the checkpoint: {problem}")
        log.warning("%s: CANNOT WRITE THE CHECKPOINT: %s; training continues, but could resume only from step %d",
                    final, problem, before)  # fmt: skip
        return False

    def load_newest(self, take_up: Callable[[dict, dict[str, torch.Tensor]], None] | None = None) -> State | None:
        """Load the newest usable checkpoint into the engine; returns its state, None if there is no checkpoint.

        take_up: restores the caller from the state; raises ArtifactError if a file it relies on is damaged. A warning
        names each checkpoint that cannot be used. Raises ArtifactError if none can: starting over is the user's
        decision.
        """
        problems = []
        for step in sorted(self._found(), reverse=True):
            state, problem = self._read(step, take_up)
            if problem is None:
                log.info("resuming after step %d (%s)", step, self._path(step))
                return state
            log.warning("%s cannot be used (%s); trying the one before", self._path(step), problem)
            problems.append(problem)
        if problems:
            raise ArtifactError(
                f"{self._folder}: no checkpoint can be used (the newest: {problems[0]}); start over with --force"
            )
        return None

    def load_best(self) -> State:
        """Load the best checkpoint into the engine; raises ArtifactError if it cannot be read."""
        state, problem = self._read(self.best_step)
        if state is None:
            raise self._unreadable_best(self.best_step, problem)
        return state

    def require_best(self, step: int) -> None:
        """Raises ArtifactError where the checkpoint of that step, the best so far, is not as it was written."""
        if problem := damage_of(self._path(step)):
            raise self._unreadable_best(step, problem)

    def _unreadable_best(self, step: int, problem: str | None) -> ArtifactError:
        return ArtifactError(f"{self._path(step)}, the best checkpoint, cannot be read: {problem}")

    def _begin(self, partial: Path) -> None:
        if self._world.is_first:
            remove(partial)
            partial.mkdir(parents=True)

    def _complete(self, partial: Path, final: Path, values: dict, tensors: dict[str, torch.Tensor]) -> None:
        if self._world.is_first:
            if tensors:
                save_file({name: value.contiguous() for name, value in tensors.items()}, partial / "extra.safetensors")
            write_json(partial / "state.json", values)
            seal(partial)
            remove(final)
            partial.rename(final)

    def _read(self, step: int, take_up: Callable | None = None) -> tuple[State | None, str | None]:
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

        # Exception: an intact file of another run makes the loaders raise anything
        problem = self._try(lambda: self._require_whole(folder)) or self._try(read, Exception)
        if problem is None and take_up is not None:
            restore, found = take_up, state
            assert found is not None
            problem = self._try(lambda: restore(*found))
        return (state, None) if problem is None else (None, problem)

    def _require_whole(self, folder: Path) -> None:
        if problem := damage_of(folder):
            raise ArtifactError(problem)

    def _try(
        self,
        action: Callable[[], object],
        expected: type[Exception] | tuple[type[Exception], ...] = EXPECTED,
    ) -> str | None:
        """Run the action on this rank; returns the first problem of any rank, None if there is none."""
        problem = None
        try:
            action()
        except expected as error:
            problem = str(error) if isinstance(error, ArtifactError) else first_line(error)
        return next((found for found in self._world.gather(problem) if found), None)

    def _drop_old(self, last: int) -> None:
        """Keep the newest and the best of those up to the last step. Later ones were passed over by a resume, so they
        do not count among the newest; each is replaced when its step is reached."""
        if self._world.is_first:
            found = [step for step in self._found() if step <= last]
            newest = sorted(found, reverse=True)[: self._keep]
            for step in set(found) - {*newest, self.best_step}:
                shutil.rmtree(self._path(step), ignore_errors=True)
        self._world.barrier()

    def _found(self) -> list[int]:
        """The steps of which there is a checkpoint under our names, usable or not."""
        names = (re.fullmatch(r"step-(\d{8,})", path.name) for path in self._folder.glob("step-*"))
        return [int(name[1]) for name in names if name]

    def _path(self, step: int) -> Path:
        return self._folder / f"step-{step:08d}"
