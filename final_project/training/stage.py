"""What both training stages do around their work: skip when finished, start the ranks, write the manifest last."""

from __future__ import annotations

import logging
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from final_project.artifacts import StageFolder, digest_of
from final_project.settings import Recipe

log = logging.getLogger(__name__)

Work = Callable[[Recipe, StageFolder, Any], tuple[list[str], dict[str, Any]]]
"""(recipe, folder, world) -> (output files below the folder, facts for the manifest). Runs on every rank."""


def run_training_stage(
    recipe: Recipe, stage: str, sections: tuple[str, ...], needs: tuple[str, ...], force: bool, work: Work
) -> None:
    """Run one stage unless its manifest still matches.

    sections: the recipe's sections that it reads; needs: the stages whose outputs it reads.
    """
    run_dir = Path(recipe.runs_dir) / recipe.name
    folder = StageFolder(run_dir, stage)
    inputs = {need: digest_of(StageFolder(run_dir, need).outputs()) for need in needs}
    settings = {section: getattr(recipe, section).model_dump(mode="json") for section in sections}
    key = digest_of({"settings": settings, "seed": recipe.seed, "inputs": inputs})
    if folder.is_finished(key) and not force:
        log.info("%s: up to date, skipped (%s)", stage, folder.path)
        return

    from final_project.training.world import started_world  # torch: only where there is work

    began = time.monotonic()
    engine = settings[stage]["engine"]
    with started_world(needs_group=engine != "torch") as world:
        if world.is_first:
            folder.begin(key, fresh=force)
        world.barrier()
        outputs, facts = work(recipe, folder, world)
        world.barrier()
        if world.is_first:
            folder.finish(key, recipe.model_dump(mode="json"), inputs, outputs, processes=world.size, **facts)
            shutil.rmtree(folder.path / "checkpoints", ignore_errors=True)
            elapsed_s = time.monotonic() - began
            log.info("%s: wrote %d files to %s in %.0f s", stage, len(outputs), folder.path, elapsed_s)
