"""The encoder that training starts from: random weights of the recipe's size, or a given transformers model."""

from __future__ import annotations

import torch
from torch import Tensor
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    BertConfig,
    BertForMaskedLM,
    BertModel,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from final_project.model.bigram_embedding import describe_ngrams
from final_project.model.custom_parts import add_custom_embeddings
from final_project.model.inspection import require_fit
from final_project.model.loading import load_start, load_weights
from final_project.model.match_types import N_TYPES, describe_matches
from final_project.settings import Encoder


def masked_lm_from_scratch(settings: Encoder, tokenizer: PreTrainedTokenizerBase, seed: int) -> PreTrainedModel:
    """A BERT with random weights; the same seed gives the same weights."""
    matching = settings.start == "matching"
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden_size,
        num_hidden_layers=settings.n_layers,
        num_attention_heads=settings.n_heads,
        intermediate_size=settings.intermediate_size,
        max_position_embeddings=settings.max_positions,
        hidden_dropout_prob=settings.dropout,
        attention_probs_dropout_prob=settings.dropout,
        initializer_range=settings.hidden_size**-0.5 if matching else 0.02,
        pad_token_id=tokenizer.pad_token_id,
        **({"type_vocab_size": N_TYPES, "match_types": describe_matches(tokenizer)} if settings.match_types else {}),
        **({"ngrams": describe_ngrams(tokenizer, settings.ngram_buckets)} if settings.ngram_buckets else {}),
    )
    torch.manual_seed(seed)
    model = BertForMaskedLM(config)
    if matching:
        init_first_layer_as_matcher(model.bert)
    return add_custom_embeddings(model, None)


# Positions and segments start weak beside characters, so that content decides where attention goes.
POSITION_SCALE = 0.2
SEGMENT_SCALE = 0.5


@torch.no_grad()
def init_first_layer_as_matcher(encoder: BertModel) -> None:
    """Start the first layer as a matcher: keys equal queries, so a character attends to itself in the other sentence.

    A small encoder from scratch otherwise spends most of its time on finding out that the two sentences are to be
    compared. The idea of shaping random attention weights is that of mimetic initialisation (Trockman and Kolter
    2023). It is an ordinary BERT all the same. Changes the weights in place.
    """
    embeddings = encoder.embeddings
    embeddings.position_embeddings.weight.mul_(POSITION_SCALE)
    embeddings.token_type_embeddings.weight.mul_(SEGMENT_SCALE)
    attention = encoder.encoder.layer[0].attention.self
    attention.key.weight.copy_(attention.query.weight)


def masked_lm_from(place: str, tokenizer: PreTrainedTokenizerBase, allow_download: bool) -> PreTrainedModel:
    """A masked-LM model from a folder or hub name; raises ArtifactError where it is unfit."""
    options = {"local_files_only": not allow_download, "attn_implementation": "sdpa"}
    model = load_start(AutoModelForMaskedLM, place, **options)
    require_fit(place, model, tokenizer, masks=True)
    return add_custom_embeddings(model, place)


def trained_pooler(place: str, allow_download: bool) -> dict[str, Tensor]:
    """The weights of a start model's pooler, by the names that they have in a model with a head; none where it has no
    trained pooler. A masked-LM model has no place for them, but whoever fine-tunes it has."""
    encoder, missing = load_weights(AutoModel, place, local_files_only=not allow_download)
    pooler = getattr(encoder, "pooler", None)
    if pooler is None or any(name.startswith("pooler.") for name in missing):
        return {}
    return {f"{encoder.base_model_prefix}.pooler.{name}": value for name, value in pooler.state_dict().items()}
