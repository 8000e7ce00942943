"""The stage as run.sh calls it: run it unless it is finished, and import torch only if it runs.

runs/NAME/prepare + runs/NAME/similarity_v0 -> runs/NAME/similarity_v1: rationales, both chains, zips, figures, report.
"""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from final_project.run.run_stage import run_training_stage
from final_project.run.stage_folder import StageFolder
from final_project.settings import Recipe

log = logging.getLogger(__name__)

STAGE = "similarity_v1"


def run_stage(recipe: Recipe, force: bool = False) -> None:
    """Run the stage unless its manifest still matches settings and inputs. All processes explain, the first does the
    rest. Raises ArtifactError if an earlier stage has not finished."""
    ran = run_training_stage(recipe, STAGE, force, _work)
    if not ran or int(os.environ.get("RANK", "0")) > 0:
        return
    folder = StageFolder(Path(recipe.runs_dir) / recipe.name, STAGE)
    manifest = folder.manifest()
    assert manifest is not None, "a stage that ran has written its manifest"
    if recipe.targets.rows != "pairs":
        log.info("%s: %d texts explained: %s", STAGE, manifest["rows"], folder.path / manifest["handed_in"])
        return
    log.info("%s: %d rows, report: %s", STAGE, manifest["rows"], folder.path / "report.html")
    what = "handed in" if recipe.prepare.explains_contest else "rationales"
    log.info("%s: %s (chain %s): %s", STAGE, what, recipe.chain, folder.path / manifest["handed_in"])


def _work(recipe: Recipe, folder: StageFolder, world: Any) -> tuple[list[str], dict[str, Any]]:
    # torch takes seconds to import; a finished stage answers without it.
    if recipe.targets.rows != "pairs":
        from similarity_v1.text_pipeline import explain_texts

        return explain_texts(recipe, folder.path, world)
    from similarity_v1.pipeline import explain, produce

    explain(recipe, folder.path, world)
    result = world.run_on_all_ranks(lambda: produce(recipe, folder.path) if world.is_first else None)
    if result is None:
        return [], {}
    return result.outputs, {"rows": result.rows, "handed_in": result.handed_in}
