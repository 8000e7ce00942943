"""What this project adds to transformers' encoders: match types (matches.py) and pairs of neighbours (ngrams.py)."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from transformers import PreTrainedModel

from final_project.model.bigram_embedding import enable_bigram_embedding
from final_project.model.heads.classifier import PooledClassifier
from final_project.model.match_types import enable_match_types

Model = TypeVar("Model", PreTrainedModel, PooledClassifier)
CUSTOM_EMBEDDINGS = {"match_types": "its match types", "ngrams": "its pairs of neighbours"}
"""Each part's name in a config, and in a sentence."""


def add_custom_embeddings(model: Model, place: str | Path | None) -> Model:
    """Give a model what its config says of such parts. Changes it in place. place: the folder that it was loaded from;
    None for a new one. Raises ArtifactError where that folder lacks a part's weights."""
    enable_match_types(model)
    enable_bigram_embedding(model, place)
    return model


def custom_embeddings(model: PreTrainedModel | PooledClassifier) -> list[str]:
    """Those that a model has and a loader without this project would lose, as said in a sentence."""
    return [said for name, said in CUSTOM_EMBEDDINGS.items() if getattr(model.config, name, None)]
