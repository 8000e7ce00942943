"""Masked micro-batches made from rows of a token table, each row a line or several packed into one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import torch

from final_project.tokens.packing import pack_rows
from final_project.tokens.token_table import TokenTable, pad_rows
from final_project.training.batching import MicroBatch
from posttrain.masking import Masking

CPU = torch.device("cpu")


@dataclass(frozen=True)
class MaskedBatch:
    """inputs: (B, T) tensors. masked_M: positions into B*T; targets_M: the ids there. weight: 0 for a
    filler micro-batch. index: its position within the step."""

    inputs: dict[str, torch.Tensor]
    masked_M: torch.Tensor
    targets_M: torch.Tensor
    weight: float
    index: int

    def to(self, device: torch.device) -> MaskedBatch:
        return self._with(lambda tensor: tensor.to(device, non_blocking=True))

    def pinned(self) -> MaskedBatch:
        """In pinned memory, from which a CUDA device copies while it computes."""
        return self._with(torch.Tensor.pin_memory)

    def _with(self, change: Callable[[torch.Tensor], torch.Tensor]) -> MaskedBatch:
        inputs = {name: change(tensor) for name, tensor in self.inputs.items()}
        return replace(self, inputs=inputs, masked_M=change(self.masked_M), targets_M=change(self.targets_M))


@dataclass(frozen=True)
class BatchMaker:
    """Fetches, masks and lays out rows. first_position: the model's number of a row's first position, for packing."""

    table: TokenTable
    masking: Masking
    pad_id: int
    seed: int
    first_position: int = 0

    def __call__(self, numbers: np.ndarray, micro_batch: MicroBatch, epoch: int, line_tokens: int = 0) -> MaskedBatch:
        """numbers: the micro-batch's row numbers in the table. line_tokens: length of the lines into which rows are
        packed; 0 = one row per line. A pure function; the tensors are on the CPU."""
        rows = self.table[numbers]
        changed_N, positions_M = self.masking(rows, self.seed, epoch)
        seen = replace(rows, ids_N=changed_N)
        if line_tokens:
            packed = pack_rows(seen, line_tokens, self.pad_id, self.first_position)
            inputs, masked_M = packed.inputs, packed.slots_N[positions_M]
        else:
            inputs = pad_rows(seen, self.pad_id, CPU)
            longest = inputs["input_ids"].shape[1]
            masked_M = rows.row_N[positions_M] * longest + rows.place_N[positions_M]
        return MaskedBatch(
            inputs=inputs,
            masked_M=torch.from_numpy(masked_M),
            targets_M=torch.from_numpy(rows.ids_N[positions_M]),
            weight=float(micro_batch.counts),
            index=micro_batch.index,
        )
