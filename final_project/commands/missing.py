"""What a recipe needs from outside: data files and start weights, looked for before anything is started."""

from __future__ import annotations

from collections.abc import Collection

from final_project.errors import ArtifactError
from final_project.model.start_folder import place_of_init
from final_project.prepare.inputs import find_inputs
from final_project.settings import Recipe


def missing_inputs(recipe: Recipe, stages: Collection[str]) -> list[str]:
    """One message for each kind of input that the named stages would miss; empty where all is there."""
    searches = []
    if "prepare" in stages:
        searches.append(lambda: find_inputs(recipe.prepare))
    if "posttrain" in stages and recipe.encoder.init != "scratch":
        searches.append(lambda: place_of_init(recipe.encoder.init, recipe.encoder.allow_download))
    if "similarity_v0" in stages and recipe.similarity_v0.init:
        searches.append(lambda: place_of_init(recipe.similarity_v0.init, allow_download=False))
    missing = []
    for search in searches:
        try:
            search()
        except ArtifactError as error:
            missing.append(str(error))
    return missing
