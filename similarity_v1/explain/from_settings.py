"""Build the Explainer that a recipe's settings describe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from final_project.method_options import SETTING_NAMES
from final_project.settings import SimilarityV1
from similarity_v1.explain.explainer import Explainer
from similarity_v1.explain.methods import option_names
from similarity_v1.explain.segmentation import DEFAULT_RULE


def build_explainer(folder: str | Path, settings: SimilarityV1, words: str = DEFAULT_RULE) -> Explainer:
    """The folder's Explainer; raises ArtifactError or RecipeError if folder and settings do not match."""
    read = {"target": settings.target, "precision": settings.precision, "batch_tokens": settings.batch_tokens}
    return Explainer.from_folder(folder, settings.method, words=words, **read, **method_options(settings))


def method_options(settings: SimilarityV1) -> dict[str, Any]:
    """The settings that are options of their method, under the method's own names; the method's default replaces null.

    The names come from the method's dataclass. An option without a setting (`seed`) keeps its default.
    """
    found = {name: getattr(settings, SETTING_NAMES.get(name, name), None) for name in option_names(settings.method)}
    return {name: value for name, value in found.items() if value is not None}
