"""The encoder that training starts from: random weights of the recipe's size, or a given transformers model."""

from __future__ import annotations

from typing import Any

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
from transformers.models.bert.modeling_bert import BertLayer

from final_project.model.bigram_embedding import describe_ngrams
from final_project.model.custom_parts import add_custom_embeddings
from final_project.model.inspection import require_fit
from final_project.model.loading import load_start, load_weights
from final_project.model.match_types import N_TYPES, describe_matches
from final_project.settings import Encoder


def masked_lm_from_scratch(settings: Encoder, tokenizer: PreTrainedTokenizerBase, seed: int) -> PreTrainedModel:
    """A BERT with random weights; the same seed gives the same weights."""
    matching = settings.start == "matching"
    custom: dict[str, Any] = {}
    if settings.match_types:
        custom |= {"type_vocab_size": N_TYPES, "match_types": describe_matches(tokenizer)}
    if settings.ngram_buckets:
        custom["ngrams"] = describe_ngrams(tokenizer, settings.ngram_buckets)
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
        **custom,
    )
    torch.manual_seed(seed)
    model = BertForMaskedLM(config)
    if matching:
        init_first_layer_as_matcher(model.bert)
    return add_custom_embeddings(model, None)


# Scales of position and segment embeddings at the start: small against words, so that attention follows content.
POSITION_SCALE = 0.2
SEGMENT_SCALE = 0.5


@torch.no_grad()
def init_first_layer_as_matcher(encoder: BertModel) -> None:
    """Set the first layer's keys equal to its queries, so that a token attends to equal tokens in the other sentence.

    A small encoder from scratch otherwise spends most of its training on learning to compare the two sentences. As in
    mimetic initialisation (Trockman and Kolter 2023), only the initial values are special: the model is an ordinary
    BERT. Changes the weights in place.
    """
    embeddings = encoder.embeddings
    embeddings.position_embeddings.weight.mul_(POSITION_SCALE)
    embeddings.token_type_embeddings.weight.mul_(SEGMENT_SCALE)
    first = encoder.encoder.layer[0]
    assert isinstance(first, BertLayer)
    attention = first.attention.self
    attention.key.weight.copy_(attention.query.weight)


NO_HEAD = (
    "it has no masked-LM head: posttrain trains one from random weights, tied to the word embeddings, and "
    "until that has learnt it pulls the encoder at random; posttrain.epochs=0 leaves the encoder as it is"
)


def masked_lm_from(
    place: str, tokenizer: PreTrainedTokenizerBase, allow_download: bool, trains: bool = True
) -> PreTrainedModel:
    """A masked-LM model from a folder or hub name; raises ArtifactError where it is unfit. trains: warn of a start
    without such a head."""
    options: dict[str, Any] = {"local_files_only": not allow_download, "attn_implementation": "sdpa"}
    model = load_start(AutoModelForMaskedLM, place, without_head=NO_HEAD if trains else "", **options)
    require_fit(place, model, tokenizer, masks=True)
    return add_custom_embeddings(model, place)


def trained_pooler(place: str, allow_download: bool) -> dict[str, Tensor]:
    """The pooler weights of a start model, named as in a model with a head; empty if it has no trained pooler. A
    masked-LM model drops them, but fine-tuning starts from them."""
    encoder, missing = load_weights(AutoModel, place, local_files_only=not allow_download)
    pooler = getattr(encoder, "pooler", None)
    if pooler is None or any(name.startswith("pooler.") for name in missing):
        return {}
    return {f"{encoder.base_model_prefix}.pooler.{name}": value for name, value in pooler.state_dict().items()}
