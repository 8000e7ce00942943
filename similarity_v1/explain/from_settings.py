"""From the recipe's settings to the Explainer that they describe."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from final_project.settings import SimilarityV1
from final_project.settings.similarity_v1 import OPTIONS
from similarity_v1.explain.explainer import Explainer
from similarity_v1.explain.segmentation import DEFAULT_RULE


def build_explainer(folder: str | Path, settings: SimilarityV1, words: str = DEFAULT_RULE) -> Explainer:
    """The folder's Explainer; raises ArtifactError or RecipeError where folder and settings do not go together."""
    read = {"target": settings.target, "precision": settings.precision, "batch_tokens": settings.batch_tokens}
    return Explainer.from_folder(folder, settings.method, words=words, **read, **method_options(settings))


def method_options(settings: SimilarityV1) -> dict[str, Any]:
    """What the settings tell their method, under its own names; options that are null are left to the method."""
    told = {
        "steps": ("ig_steps", settings.ig_steps),
        "rule": ("ig_rule", settings.ig_rule),
        "tolerance": ("ig_tolerance", settings.ig_tolerance),
        "baseline": ("baseline", settings.baseline),
        "reduce": ("reduce", settings.reduce),
        "samples": ("samples", settings.samples),
        "noise": ("noise", settings.noise),
    }
    known = OPTIONS[settings.method]
    return {name: value for name, (field, value) in told.items() if field in known and value is not None}
