"""Text rows as token tables, and masked batches made from them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import datasets
import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from final_project.data.lines import read_lines
from final_project.errors import DataError
from final_project.model.token_table import pad_rows
from final_project.training.batching import MicroBatch
from posttrain.masking import Masking

HELD_OUT_EPOCH = 0  # held-out rows are masked the same way each time they are measured


@dataclass(frozen=True)
class MaskedBatch:
    """inputs: (B, T) tensors. masked_M: positions into B*T; targets_M: the ids there. weight: 0 for a stand-in."""

    inputs: dict[str, torch.Tensor]
    masked_M: torch.Tensor
    targets_M: torch.Tensor
    weight: float
    index: int


def read_texts(path: Path, text_form: str) -> Iterator[tuple[str, str | None, None]]:
    """Rows of text.tsv: one sentence, or two of a pair. text_form "sentence" takes pairs apart."""
    for number, line in read_lines(path):
        texts = line.split("\t")
        if len(texts) > 2:
            raise DataError(path, f"expected 1 or 2 tab-separated sentences, found {len(texts)}", number)
        if text_form == "sentence":
            yield from ((text, None, None) for text in texts)
        else:
            # a lone sentence has an empty partner, so that all rows of a table have one form
            yield texts[0], texts[1] if len(texts) == 2 else "", None


def plain_texts(path: Path) -> Iterator[str]:
    for _, line in read_lines(path):
        yield from line.split("\t")


def split_held_out(n_rows: int, held_out: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers to train on and to measure on; a short text keeps at least half for training."""
    order = np.random.default_rng([seed, n_rows]).permutation(n_rows)
    held_out = min(held_out, n_rows // 2)
    return np.sort(order[held_out:]), np.sort(order[:held_out])


def masked_batch(
    table: datasets.Dataset,
    rows: np.ndarray,
    micro_batch: MicroBatch,
    masking: Masking,
    tokenizer: PreTrainedTokenizerBase,
    seed: int,
    epoch: int,
    device: torch.device,
) -> MaskedBatch:
    """Fetch, mask and pad one micro-batch. rows: its row numbers in the table."""
    columns = table[rows]
    masked = [masking(ids, seed, epoch, int(row)) for ids, row in zip(columns["input_ids"], rows, strict=True)]
    targets = [ids[positions] for ids, (_, positions) in zip(columns["input_ids"], masked, strict=True)]
    inputs = pad_rows({**columns, "input_ids": [ids for ids, _ in masked]}, tokenizer.pad_token_id, device)
    longest = inputs["input_ids"].shape[1]
    flat = np.concatenate([positions + at * longest for at, (_, positions) in enumerate(masked)])
    return MaskedBatch(
        inputs=inputs,
        masked_M=torch.from_numpy(flat.astype(np.int64)).to(device),
        targets_M=torch.from_numpy(np.concatenate(targets).astype(np.int64)).to(device),
        weight=float(micro_batch.counts),
        index=micro_batch.index,
    )
