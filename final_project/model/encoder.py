"""The encoder that training starts from: random weights of the recipe's size, or a given transformers model."""

from __future__ import annotations

import torch
from transformers import AutoModelForMaskedLM, BertConfig, BertForMaskedLM, PreTrainedModel, PreTrainedTokenizerBase

from final_project.errors import ArtifactError
from final_project.settings import Encoder


def masked_lm_from_scratch(settings: Encoder, tokenizer: PreTrainedTokenizerBase, seed: int) -> PreTrainedModel:
    """A BERT with random weights; the same seed gives the same weights."""
    config = BertConfig(
        vocab_size=len(tokenizer),
        hidden_size=settings.hidden_size,
        num_hidden_layers=settings.n_layers,
        num_attention_heads=settings.n_heads,
        intermediate_size=settings.intermediate_size,
        max_position_embeddings=settings.max_positions,
        hidden_dropout_prob=settings.dropout,
        attention_probs_dropout_prob=settings.dropout,
        pad_token_id=tokenizer.pad_token_id,
    )
    torch.manual_seed(seed)
    return BertForMaskedLM(config)


def masked_lm_from(place: str, tokenizer: PreTrainedTokenizerBase, allow_download: bool) -> PreTrainedModel:
    """A masked-LM model from a folder or hub name; raises ArtifactError where it is unfit."""
    try:
        model = AutoModelForMaskedLM.from_pretrained(place, local_files_only=not allow_download)
    except Exception as error:  # whatever missing or damaged weights make the library raise
        raise ArtifactError(f"{place}: the model cannot be loaded: {str(error).splitlines()[0]}") from error
    if model.config.vocab_size < len(tokenizer):
        raise ArtifactError(
            f"{place}: the tokenizer has {len(tokenizer)} tokens, the weights {model.config.vocab_size}: "
            "they do not belong together"
        )
    return model
