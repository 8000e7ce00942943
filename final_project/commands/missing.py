"""What a recipe needs from outside: data files and start weights, looked for before anything is started."""

from __future__ import annotations

from collections.abc import Callable, Collection
from pathlib import Path

from final_project.errors import ArtifactError
from final_project.model.start_folder import resolve_init
from final_project.prepare.inputs import find_inputs
from final_project.settings import Recipe


def missing_inputs(recipe: Recipe, stages: Collection[str]) -> list[str]:
    """One message for each kind of input that the named stages would miss; empty where all is there."""
    searches: list[Callable[[], object]] = []
    if "prepare" in stages:
        searches.append(lambda: find_inputs(recipe.prepare))
    if "posttrain" in stages and recipe.encoder.init != "scratch":
        searches.append(lambda: _look_at_start(recipe, "posttrain"))
    if "similarity_v0" in stages and recipe.similarity_v0.init:
        searches.append(lambda: _look_at_start(recipe, "similarity_v0"))
    missing = []
    for search in searches:
        try:
            search()
        except ArtifactError as error:
            missing.append(str(error))
    return missing


def _look_at_start(recipe: Recipe, stage: str) -> None:
    """Find the weights that a stage starts from, and look at them where they are a folder. Raises ArtifactError."""
    masks = stage == "posttrain"
    settings = recipe.posttrain if masks else recipe.similarity_v0
    init = recipe.encoder.init if masks else recipe.similarity_v0.init
    place = resolve_init(init, allow_download=masks and recipe.encoder.allow_download)
    if Path(place).is_dir():
        # transformers takes seconds to import; recipes that start from scratch go without
        from final_project.model.start import require_fit_start

        require_fit_start(place, settings.max_length, f"{stage}.max_length", masks)
