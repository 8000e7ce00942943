"""Match types: token types that mark tokens which the other text has too.

A small encoder from scratch spends most of its training on learning that equal characters belong together. Token types
give it this: 0 and 1 are the two texts as usual, 2 and 3 the tokens of each that also occur in the other. They are
computed from the ids at the embedding lookup, so token tables, packing, masking, attribution and exports do not handle
them. A masked token matches nothing, so masking hides it completely.

The model folder stays a standard one: its config has `match_types` and `type_vocab_size: 4`. A loader without this
module has all weights but passes types 0 and 1 only, and gets worse answers.
Shapes: B lines, T tokens; a line may hold several rows (final_project/tokens/packing.py).
"""

from __future__ import annotations

import torch
from torch import nn
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from final_project.model.heads.classifier import PooledClassifier

N_TYPES = 4


def describe_matches(tokenizer: PreTrainedTokenizerBase) -> dict:
    """The config entry: the token that starts a row, and the tokens that never match."""
    return {"row_start": tokenizer.cls_token_id, "never": sorted(tokenizer.all_special_ids)}


def match_types(ids_BT: torch.Tensor, types_BT: torch.Tensor, row_start: int, never: list[int]) -> torch.Tensor:
    """(B, T) token types with 2 added where the row's other text has the same token."""
    rows_BT = (ids_BT == row_start).cumsum(-1)
    is_word_BT = ~is_one_of(ids_BT, never)
    is_same_BTT = ids_BT[:, :, None] == ids_BT[:, None, :]
    is_other_BTT = (types_BT[:, :, None] != types_BT[:, None, :]) & (rows_BT[:, :, None] == rows_BT[:, None, :])
    return types_BT + 2 * ((is_same_BTT & is_other_BTT).any(-1) & is_word_BT)


def is_one_of(ids_BT: torch.Tensor, wanted: list[int]) -> torch.Tensor:
    """(B, T) booleans. Not torch.isin, which ONNX lacks."""
    return (ids_BT[..., None] == torch.tensor(wanted, device=ids_BT.device)).any(-1)


def enable_match_types(model: PreTrainedModel | PooledClassifier) -> None:
    """Compute match types at the embedding lookup of a model whose config has them. Changes the model in place."""
    if described := getattr(model.config, "match_types", None):

        def with_matches(_module: nn.Module, arguments: tuple, named: dict) -> tuple[tuple, dict]:
            ids_BT, types_BT = named.get("input_ids"), named.get("token_type_ids")
            if ids_BT is None or types_BT is None:
                return arguments, named
            return arguments, {**named, "token_type_ids": match_types(ids_BT, types_BT, **described)}

        embeddings = model.base_model.get_submodule("embeddings")
        embeddings.register_forward_pre_hook(with_matches, with_kwargs=True)
