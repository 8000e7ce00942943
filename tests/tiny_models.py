"""Tiny random models and inputs for tests."""

from __future__ import annotations

import torch
from transformers import BertConfig, BertForMaskedLM, BertForSequenceClassification

PAD = 0


def tiny_config(**changes) -> BertConfig:
    sizes = {"vocab_size": 60, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    sizes |= {"intermediate_size": 32, "max_position_embeddings": 32, "pad_token_id": PAD}
    return BertConfig(**{**sizes, "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, **changes})


def tiny_classifier(seed: int = 0, **changes) -> BertForSequenceClassification:
    torch.manual_seed(seed)
    return BertForSequenceClassification(tiny_config(**changes))


def tiny_masked_lm(seed: int = 0, **changes) -> BertForMaskedLM:
    torch.manual_seed(seed)
    return BertForMaskedLM(tiny_config(**changes))


def random_inputs(n_rows: int = 6, longest: int = 12, seed: int = 1) -> dict[str, torch.Tensor]:
    """Padded rows of different lengths, with two segments each."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(4, longest + 1, (n_rows,), generator=generator)
    mask = (torch.arange(longest) < lengths[:, None]).long()
    ids = torch.randint(5, 60, (n_rows, longest), generator=generator) * mask
    types = (torch.arange(longest) >= lengths[:, None] // 2).long() * mask
    return {"input_ids": ids, "token_type_ids": types, "attention_mask": mask}
