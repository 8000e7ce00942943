"""The interface of an attribution method: it queries a probe and returns one score per token.

A method is a frozen dataclass whose fields are its options; it holds no state, so the same rows give the same scores.
Randomness comes from the texts of a row and `seed`, never from the batch.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
import torch
from torch import Tensor

from similarity_v1.explain.encoding import EncodedRow
from similarity_v1.explain.probe import Probe


@dataclass(frozen=True)
class Scores:
    """scores_BT: 0 where there is padding. error_B: completeness error, |sum over all tokens - (F(e) - F(baseline))|,
    where the method promises such a sum; None where it does not. steps_B: how many gradients each row took, where the
    method decides that."""

    scores_BT: Tensor
    error_B: Tensor | None = None
    steps_B: np.ndarray | None = None


class Method(Protocol):
    """needs_gradient: whether the untouched forward keeps its graph for `probe.gradient_at_input`."""

    needs_gradient: ClassVar[bool]
    # looks_inside: ClassVar[bool] = True, where a method asks for more of a model than answers and gradients
    # answers_only: ClassVar[bool] = True, where it takes no gradient

    def __call__(self, probe: Probe) -> Scores: ...


def reduce_hidden(contribution_BTH: Tensor, reduce: str, probe: Probe) -> Tensor:
    """(B, T, H) -> (B, T): `l2`, the published norm, never negative, or `sum`, signed."""
    reduced_BT = contribution_BTH.norm(dim=-1) if reduce == "l2" else contribution_BTH.sum(dim=-1)
    return reduced_BT * probe.mask_BT


def completeness_error(contribution_BTH: Tensor, baseline_BTH: Tensor, probe: Probe) -> Tensor:
    """(B,) how far the signed sum over all tokens is from F(e) - F(baseline)."""
    rows_B = torch.arange(len(probe.value_B), device=probe.value_B.device)
    rise_B = probe.value_B - probe.values(baseline_BTH, rows_B)
    return (contribution_BTH.sum(dim=-1) * probe.mask_BT).sum(dim=-1).sub(rise_B).abs()


def generators(rows: Sequence[EncodedRow], seed: int) -> list[torch.Generator]:
    """A generator for each row, a function of its texts and the seed. On the CPU, so that devices draw alike."""
    return [torch.Generator().manual_seed((row.seed ^ seed) % 2**63) for row in rows]
