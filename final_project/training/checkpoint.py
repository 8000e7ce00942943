"""Checkpoints of a training stage: whole or not there, the newest usable one is taken.

    checkpoints/step-00000200/     what the engine wrote, plus state.json (step, best score ...) and extra tensors
A checkpoint is written into a hidden neighbour folder and renamed when every rank has finished; the last two are kept.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from final_project.artifacts import write_json
from final_project.errors import ArtifactError, first_line
from final_project.training.engines.base import Engine
from final_project.training.world import World

log = logging.getLogger(__name__)

KEEP = 2


class Checkpoints:
    def __init__(self, folder: Path, engine: Engine, world: World):
        self._folder = folder
        self._engine = engine
        self._world = world

    def save(self, step: int, state: dict, tensors: dict[str, torch.Tensor]) -> None:
        """Write a checkpoint of the engine after `step` updates. Called on every rank.

        state: what JSON can hold; tensors: further tensors to keep (averaged weights), may be empty.
        """
        partial = self._folder / f".step-{step:08d}.partial"
        final = self._folder / f"step-{step:08d}"
        try:
            if self._world.is_first:
                shutil.rmtree(partial, ignore_errors=True)
                partial.mkdir(parents=True)
            self._world.barrier()
            self._engine.save(partial)
            self._world.barrier()
            if self._world.is_first:
                if tensors:
                    save_file(
                        {name: value.contiguous() for name, value in tensors.items()}, partial / "extra.safetensors"
                    )
                write_json(partial / "state.json", {"step": step, **state})
                shutil.rmtree(final, ignore_errors=True)
                partial.rename(final)
                for _, old in list(self._found())[KEEP:]:
                    shutil.rmtree(old)
        except (OSError, RuntimeError, SafetensorError) as error:  # torch reports a full disk as a RuntimeError
            shutil.rmtree(partial, ignore_errors=True)
            raise ArtifactError(f"{final}: cannot write the checkpoint: {first_line(error)}") from error

    def load_newest(self) -> tuple[dict, dict[str, torch.Tensor]] | None:
        """Bring the engine to the newest checkpoint that can be read; returns its state and extra tensors.

        A damaged one is named and passed over; None where there is none. Raises ArtifactError where all are damaged:
        what a failed reading left in the engine is no start for training. Called on every rank; all take the same.
        """
        found = list(self._found())
        for step, folder in found:
            problem = None
            try:
                state = json.loads((folder / "state.json").read_text(encoding="utf-8"))
                extra = folder / "extra.safetensors"
                tensors = load_file(extra, device=str(self._world.device)) if extra.is_file() else {}
                self._engine.load(folder)
            except Exception as error:  # whatever a damaged file makes the loaders raise
                problem = first_line(error)
            problems = [p for p in self._world.gather(problem) if p]
            if not problems:
                log.info("resuming after step %d (%s)", step, folder)
                return state, tensors
            log.warning("%s cannot be used (%s); trying the one before", folder, problems[0])
        if found:
            raise ArtifactError(f"{self._folder}: no checkpoint can be read; start afresh with --force")
        return None

    def _found(self) -> Iterator[tuple[int, Path]]:
        """(step, folder), newest first."""
        for folder in sorted(self._folder.glob("step-*"), reverse=True):
            yield int(folder.name.removeprefix("step-")), folder
