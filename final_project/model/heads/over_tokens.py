"""Means, extremes and weighted means over the real tokens of a text, in float32 at least.

Shapes: B pairs, T tokens, H hidden. mask_BT is true at tokens, and every row has one.
"""

from __future__ import annotations

import contextlib

import torch
from torch import Tensor


def mean_of_tokens(states_BTH: Tensor, mask_BT: Tensor) -> Tensor:
    """(B, H), in the type of the states."""
    wide_BTH = widened(states_BTH)
    weights_BT1 = mask_BT[..., None].to(wide_BTH.dtype)
    return ((wide_BTH * weights_BT1).sum(1) / weights_BT1.sum(1)).to(states_BTH.dtype)


def max_of_tokens(states_BTH: Tensor, mask_BT: Tensor) -> Tensor:
    """(B, H), the largest value of each unit."""
    return states_BTH.masked_fill(~mask_BT[..., None], -torch.inf).amax(1)


def min_of_tokens(states_BTH: Tensor, mask_BT: Tensor) -> Tensor:
    """(B, H), the smallest value of each unit."""
    return states_BTH.masked_fill(~mask_BT[..., None], torch.inf).amin(1)


def attended(states_BTH: Tensor, scores_BT: Tensor, mask_BT: Tensor) -> Tensor:
    """(B, H), the mean weighted by the softmax of the scores over the tokens; in the type of the states."""
    with in_full_precision(states_BTH):
        weights_BT = widened(scores_BT).masked_fill(~mask_BT, -torch.inf).softmax(-1)
        wide_BTH = widened(states_BTH)
        return torch.einsum("bt,bth->bh", weights_BT.to(wide_BTH.dtype), wide_BTH).to(states_BTH.dtype)


def number_spans(ids_BT: Tensor, span_ends: list[int]) -> Tensor:
    """(B, T) the number of each token's span, from 0. A token of span_ends ends its span, and so does a run of them."""
    ends_BT = (ids_BT[..., None] == torch.tensor(span_ends, device=ids_BT.device)).any(-1)
    starts_BT = ends_BT[:, :-1] & ~ends_BT[:, 1:]
    return torch.cat([torch.zeros_like(ids_BT[:, :1]), starts_BT.cumsum(-1)], dim=-1)


def widened(values: Tensor) -> Tensor:
    """16-bit values as float32; float32 and float64 stay."""
    return values.to(torch.promote_types(values.dtype, torch.float32))


def in_full_precision(values: Tensor) -> contextlib.AbstractContextManager:
    """Within the block matrix products are not taken in 16 bits, as autocast would."""
    kind = values.device.type
    return torch.autocast(kind, enabled=False) if torch.is_autocast_enabled(kind) else contextlib.nullcontext()
