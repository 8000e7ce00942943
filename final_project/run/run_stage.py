"""Run a stage after prepare: skip it if finished, start the ranks, write the manifest last."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from typing import Any

from final_project.run.stage_folder import StageFolder
from final_project.run.stage_key import training_stage_state
from final_project.settings import Recipe

log = logging.getLogger(__name__)

Work = Callable[[Recipe, StageFolder, Any], tuple[list[str], dict[str, Any]]]
"""(recipe, folder, world) -> (output files below the folder, facts for the manifest). Runs on every rank."""


def run_training_stage(recipe: Recipe, stage: str, force: bool, work: Work) -> bool:
    """Run a stage on the ranks that the launcher started, unless it is up to date; returns whether it ran."""
    state = training_stage_state(recipe, stage)
    folder = state.folder
    if state.is_finished and not force:
        log.info("%s: up to date, skipped (%s)", stage, folder.path)
        return False

    from final_project.parallel.world import started_world  # imports torch: only if there is work

    began = time.monotonic()
    with started_world(state.engine != "torch", recipe.patience_s) as world:
        if world.is_first:
            folder.lock()
            if not force:
                folder.restore_previous(state.key, state.resume_key)
        # another process may have finished the stage while this one waited for the lock
        if world.gather(state.is_finished)[0] and not force:
            log.info("%s: up to date, skipped (%s)", stage, folder.path)
            return False
        if world.is_first:
            state.require_intact_inputs()
            folder.begin(state.resume_key, fresh=force)
        world.barrier()
        try:
            outputs, facts = work(recipe, folder, world)
        except BaseException:
            if world.is_first:
                folder.restore_if_refused()
            raise
        world.barrier()
        if world.is_first:
            folder.finish(
                state.key, recipe.model_dump(mode="json"), state.inputs, outputs, processes=world.size, **facts
            )
            shutil.rmtree(folder.path / "checkpoints", ignore_errors=True)
            elapsed_s = time.monotonic() - began
            log.info("%s: wrote %d files to %s in %.0f s", stage, len(outputs), folder.path, elapsed_s)
        world.barrier()  # no rank starts the next stage before this manifest is written
    return True
