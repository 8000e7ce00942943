"""Tokens that occur in the other text as well, told to the encoder as token types of their own.

A small encoder from scratch spends most of its training on finding out that equal characters belong together. Here it
is told: types 0 and 1 name the text as always, 2 and 3 the tokens of each text that the other one has, too. They are
computed from the ids where the embeddings are looked up, so tables, packing, masking, attribution and exports need not
know of them; a masked token matches nothing, so nothing is given away.

The folder stays a standard one, whose config says `match_types` beside `type_vocab_size: 4`. What loads it without this
module gives types 0 and 1 alone and gets poorer answers: the weights are all there, the hint is not.
Shapes: B lines, T tokens; a line may hold several rows (final_project/tokens/packing.py).
"""

from __future__ import annotations

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

N_TYPES = 4


def describe_matches(tokenizer: PreTrainedTokenizerBase) -> dict:
    """What a config says of match types: the token that starts a row, and those that never match."""
    return {"row_start": tokenizer.cls_token_id, "never": sorted(tokenizer.all_special_ids)}


def match_types(ids_BT: torch.Tensor, types_BT: torch.Tensor, row_start: int, never: list[int]) -> torch.Tensor:
    """(B, T) token types with 2 added where the row's other text has the same token."""
    rows_BT = (ids_BT == row_start).cumsum(-1)
    is_word_BT = ~is_one_of(ids_BT, never)
    is_same_BTT = ids_BT[:, :, None] == ids_BT[:, None, :]
    is_other_BTT = (types_BT[:, :, None] != types_BT[:, None, :]) & (rows_BT[:, :, None] == rows_BT[:, None, :])
    return types_BT + 2 * ((is_same_BTT & is_other_BTT).any(-1) & is_word_BT)


def is_one_of(ids_BT: torch.Tensor, wanted: list[int]) -> torch.Tensor:
    """(B, T) booleans. Written out, because ONNX has no isin."""
    return (ids_BT[..., None] == torch.tensor(wanted, device=ids_BT.device)).any(-1)


def enable_match_types(model: PreTrainedModel) -> PreTrainedModel:
    """Give a model its match types wherever it looks up embeddings, if its config says so. Changes it in place."""
    if described := getattr(model.config, "match_types", None):

        def with_matches(_module: torch.nn.Module, arguments: tuple, named: dict) -> tuple[tuple, dict]:
            ids_BT, types_BT = named.get("input_ids"), named.get("token_type_ids")
            if ids_BT is None or types_BT is None:
                return arguments, named
            return arguments, {**named, "token_type_ids": match_types(ids_BT, types_BT, **described)}

        model.base_model.embeddings.register_forward_pre_hook(with_matches, with_kwargs=True)
    return model
