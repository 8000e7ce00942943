"""Micro-batches of labelled pairs."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from final_project.model.token_table import TokenTable, pad_rows
from final_project.training.batching import MicroBatch


@dataclass(frozen=True)
class PairBatch:
    """inputs: (B, T) tensors of a standard classifier. labels_B: 0 or 1. weight: 0 for a stand-in. index: its place
    within the step."""

    inputs: dict[str, torch.Tensor]
    labels_B: torch.Tensor
    weight: float
    index: int


def pair_batch(table: TokenTable, micro_batch: MicroBatch, pad_id: int, device: torch.device) -> PairBatch:
    rows = table[micro_batch.rows]
    return PairBatch(
        inputs=pad_rows(rows, pad_id, device),
        labels_B=torch.as_tensor(rows.labels_B, dtype=torch.int64, device=device),
        weight=float(micro_batch.counts),
        index=micro_batch.index,
    )
