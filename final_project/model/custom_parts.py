"""What this project adds to transformers' encoders: match types (matches.py) and pairs of neighbours (ngrams.py)."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from transformers import PreTrainedModel

from final_project.model.bigram_embedding import let_ngrams_show
from final_project.model.heads.classifier import PooledClassifier
from final_project.model.match_types import let_matches_show

Model = TypeVar("Model", PreTrainedModel, PooledClassifier)
OWN_PARTS = {"match_types": "its match types", "ngrams": "its pairs of neighbours"}
"""Each part's name in a config, and in a sentence."""


def add_own_parts(model: Model, place: str | Path | None) -> Model:
    """Give a model what its config says of such parts. Changes it in place. place: the folder that it was loaded from;
    None for a new one. Raises ArtifactError where that folder lacks a part's weights."""
    let_matches_show(model)
    let_ngrams_show(model, place)
    return model


def own_parts(model: PreTrainedModel | PooledClassifier) -> list[str]:
    """Those that a model has and a loader without this project would lose, as said in a sentence."""
    return [said for name, said in OWN_PARTS.items() if getattr(model.config, name, None)]
