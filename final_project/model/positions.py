"""Measure how many positions a model has, without a list of model types.

The model answers two short rows that differ only in how often one token is repeated. A table whose largest index rises
with the row's length is a position table, and that index shows where positions begin: at 0, after the padding token as
in RoBERTa and MPNet, or after an offset as in BART.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import PreTrainedTokenizerBase

from final_project.model.model_inputs import evaluation_mode, input_keys, padded, padding_id, sample_row, stretched

N_MORE = 2  # difference of the two rows' lengths in tokens


class Lookups(TorchDispatchMode):
    """Records every integer lookup in a table: (rows of the table, largest index, number of indices)."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[tuple[int, int, int]] = []

    def __torch_dispatch__(
        self, operation: Any, types: Any, arguments: tuple = (), keywords: dict | None = None
    ) -> Any:
        table = index = None
        if operation is torch.ops.aten.embedding.default:
            table, index = arguments[:2]
        elif operation is torch.ops.aten.index_select.default and arguments[1] == 0:
            table, index = arguments[0], arguments[2]
        elif operation is torch.ops.aten.index.Tensor and len(arguments[1]) == 1:
            table, index = arguments[0], arguments[1][0]
        if table is not None and index is not None and index.dtype in (torch.int64, torch.int32) and index.numel():
            self.seen.append((len(table), int(index.max()), index.numel()))
        return operation(*arguments, **(keywords or {}))


def n_positions(model: nn.Module, tokenizer: PreTrainedTokenizerBase) -> int | None:
    """Most tokens, special ones included, for which all position tables of the model have a row; None if it has no
    position table."""
    try:
        keys, pad_id = input_keys(model, tokenizer), padding_id(model, tokenizer)
        row = sample_row(model, tokenizer, keys)
        other = next((id_ for id_ in row["input_ids"] if id_ != pad_id), None) if row else None
        if row is None or other is None:
            return _by_names(model)
        # models that count positions from the padding token give a padding token no position
        row = {**row, "input_ids": [other if id_ == pad_id else id_ for id_ in row["input_ids"]]}
        short, long = (_lookups(model, one, pad_id) for one in (row, stretched(row, N_MORE)))
    except Exception:  # a model that cannot run on such rows: go by module names
        return _by_names(model)
    length = len(row["input_ids"])
    found = []
    for (n_rows, largest, n_indices), (n_rows_again, larger, n_more_indices) in zip(short, long, strict=False):
        rises = larger - largest == N_MORE and n_rows == n_rows_again
        # one index per token; the same count for both rows if the model pads rows to a window
        if rises and n_more_indices in (n_indices, length + N_MORE) and n_indices >= length:
            found.append(n_rows - (largest - (length - 1)))
    return min(found, default=None)


def _lookups(model: nn.Module, row: dict[str, list[int]], pad_id: int) -> list[tuple[int, int, int]]:
    with evaluation_mode(model), torch.no_grad(), Lookups() as lookups:
        model(**padded([row], pad_id, next(model.parameters()).device))
    return lookups.seen


def _by_names(model: nn.Module) -> int | None:
    """The smallest table named as a position table, less the rows up to its padding index."""
    tables = [
        part.num_embeddings - (0 if part.padding_idx is None else part.padding_idx + 1)
        for name, part in model.named_modules()
        if isinstance(part, nn.Embedding) and "position" in name.rsplit(".", 1)[-1]
    ]
    return min(tables, default=None)
