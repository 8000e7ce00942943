"""The Target of a recipe: pairs, scores or labels."""

from __future__ import annotations

from pathlib import Path

from final_project.settings import Recipe
from similarity_v0.decision.named_labels import NamedLabels
from similarity_v0.decision.numbers import Numbers
from similarity_v0.decision.row_target import Target
from similarity_v0.two_labels import TwoLabels

KINDS: dict[str, type] = {"pairs": TwoLabels, "scores": Numbers, "labels": NamedLabels}


def target_of(recipe: Recipe, prepare: Path) -> Target:
    """prepare: the folder of that stage. Raises DataError where it lacks what the kind needs."""
    return KINDS[recipe.targets.rows](recipe, prepare)
