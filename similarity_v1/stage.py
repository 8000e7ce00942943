"""The stage as run.sh calls it: decide whether there is anything to do, and only then load what the work needs.

runs/NAME/prepare + runs/NAME/similarity_v0 -> runs/NAME/similarity_v1: rationales, both chains, zips, figures, report.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path

from final_project.artifacts import StageFolder, digest_of
from final_project.settings import Recipe

log = logging.getLogger(__name__)

STAGE = "similarity_v1"


def run_stage(recipe: Recipe, force: bool = False) -> None:
    """Run the stage unless its manifest still matches settings and inputs. Of several processes only the first works.

    Raises ArtifactError where an earlier stage has not finished. An interrupted run starts over: extraction is short.
    """
    if int(os.environ.get("RANK", "0")) > 0:
        return
    run_dir = Path(recipe.runs_dir) / recipe.name
    inputs = {
        f"{stage}/{name}": digest
        for stage in ("prepare", "similarity_v0")
        for name, digest in StageFolder(run_dir, stage).outputs().items()
    }
    key = digest_of({STAGE: recipe.similarity_v1.model_dump(), "inputs": inputs})
    folder = StageFolder(run_dir, STAGE)
    if folder.is_finished(key) and not force:
        log.info("%s: up to date, skipped (%s)", STAGE, folder.path)
        return
    # torch takes seconds to import; a finished stage answers without it.
    from similarity_v1.produce import produce

    folder.begin(key)
    made = produce(recipe, run_dir, folder.path)
    folder.finish(key, recipe.model_dump(mode="json"), inputs, made.outputs, rows=made.rows, handed_in=made.handed_in)
    seconds = folder.manifest()["seconds"]
    log.info("%s: wrote %s: %d rows, %.1f s", STAGE, folder.path, made.rows, seconds)
    log.info("%s: report: %s", STAGE, folder.path / "report.html")
    log.info("%s: handed in (chain %s): %s", STAGE, recipe.similarity_v1.chain, folder.path / made.handed_in)
