"""Micro-batches of labelled pairs, each pair a line, or several packed into one.

Shapes: B pairs, T tokens of the longest; P lines in which they are packed.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch

from final_project.tokens.packing import pack_rows
from final_project.tokens.token_table import TokenRows, TokenTable, pad_rows
from final_project.training.batching import MicroBatch


@dataclass(frozen=True)
class PairBatch:
    """inputs: what PairModel's forward takes, one line or several pairs a line. labels_B: 0 or 1, or
    the number of a label, int64; or the scores of each row, (B, C) float32, NaN where unknown. weights_B: factor of
    each row's loss, 0 in a filler micro-batch. counts: false for a filler. index: its position within the step."""

    inputs: dict[str, torch.Tensor]
    labels_B: torch.Tensor
    weights_B: torch.Tensor
    counts: bool
    index: int


@dataclass(frozen=True)
class Lines:
    """How pairs are packed: the length of a line, and the position of a row's first token in this model."""

    tokens: int
    first_position: int


def pair_batch(
    table: TokenTable,
    weights_N: np.ndarray,
    micro_batch: MicroBatch,
    pad_id: int,
    device: torch.device,
    lines: Lines | None = None,
) -> PairBatch:
    """weights_N: of every row of the table. lines: None = a pair a line."""
    rows = table[micro_batch.rows]
    return PairBatch(
        inputs=packed_inputs(rows, pad_id, device, lines) if lines else pad_rows(rows, pad_id, device),
        labels_B=labels_of(rows.labels_B, device),
        weights_B=torch.as_tensor(weights_N[micro_batch.rows] * micro_batch.counts, device=device),
        counts=micro_batch.counts,
        index=micro_batch.index,
    )


def labels_of(labels_B: np.ndarray, device: torch.device) -> torch.Tensor:
    is_whole = np.issubdtype(labels_B.dtype, np.integer)
    return torch.as_tensor(labels_B, dtype=torch.int64 if is_whole else torch.float32, device=device)


def packed_inputs(rows: TokenRows, pad_id: int, device: torch.device, lines: Lines) -> dict[str, torch.Tensor]:
    """The tensors of pack_rows, (P, line), and `places_BT`: positions of each pair's tokens in the flattened lines, -1
    beyond its end."""
    packed = pack_rows(rows, lines.tokens, pad_id, lines.first_position)
    places_BT = np.full((len(rows.lengths_B), int(rows.lengths_B.max())), -1, dtype=np.int64)
    places_BT[rows.row_N, rows.place_N] = packed.slots_N
    inputs = {**packed.inputs, "places_BT": torch.from_numpy(places_BT)}
    return {name: tensor.to(device) for name, tensor in inputs.items()}
