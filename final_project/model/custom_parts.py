"""What this project adds to the embeddings of transformers' encoders: match types and bigram embeddings."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

from transformers import PreTrainedModel

from final_project.model.bigram_embedding import enable_bigram_embedding
from final_project.model.heads.classifier import PooledClassifier
from final_project.model.match_types import enable_match_types

Model = TypeVar("Model", bound=PreTrainedModel | PooledClassifier)
CUSTOM_EMBEDDINGS = {"match_types": "its match types", "ngrams": "its pairs of neighbours"}
"""Config key of each addition, and its name in a sentence."""


def add_custom_embeddings(model: Model, place: str | Path | None) -> Model:
    """Add what the model's config asks for. Changes the model in place. place: the folder that it was loaded from;
    None for a new model. Raises ArtifactError if the folder lacks the weights."""
    enable_match_types(model)
    enable_bigram_embedding(model, place)
    return model


def custom_embeddings(model: PreTrainedModel | PooledClassifier) -> list[str]:
    """The additions of a model, named as in a sentence. A loader without this project would lose them."""
    return [words for name, words in CUSTOM_EMBEDDINGS.items() if getattr(model.config, name, None)]
