"""Probabilities of a classifier over a token table.

In float32 unless the caller asks otherwise, so that the threshold found on dev also holds for users of the folder. If
padding changes the model's answers, a batch contains only rows of one length.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
import torch
from torch import nn

from final_project.model.decision import probabilities_of
from final_project.model.finite import require_finite
from final_project.model.model_inputs import ModelInputs, evaluation_mode, padding_matters
from final_project.parallel.world import World
from final_project.tokens.token_table import TokenRows, pad_rows
from final_project.training.batching import batches_by_length, share_of_rank

BATCH_TOKENS = {"cpu": 2048, "cuda": 32768}
"""Tokens per batch, padding included. A CPU is fastest if a batch fits into its caches, a GPU with large batches."""


class RowTable(Protocol):
    """What prediction needs of a token table."""

    def __len__(self) -> int: ...

    @property
    def lengths(self) -> np.ndarray: ...

    def __getitem__(self, numbers_B: np.ndarray, /) -> TokenRows: ...


@torch.no_grad()
def predict_probabilities(
    model: nn.Module,
    table: RowTable,
    pad_id: int,
    world: World,
    given: ModelInputs | None = None,
    read: Callable[[torch.Tensor], np.ndarray] = probabilities_of,
) -> np.ndarray:
    """(N, C) answers of every row, in the table's order, on every rank. The model's mode is restored.

    read: makes answers of the model's outputs: probabilities of two classes, or what else the rows have. given: the
    inputs that the model takes; None: all columns, and the table's own rows show whether padding changes the answers.
    Raises NotFinite, on every rank, at the first row whose answers are not finite.
    """
    one_length = given.one_length if given else padding_changes_answers(model, table, pad_id, world)
    budget = BATCH_TOKENS["cpu" if world.device.type == "cpu" else "cuda"]
    groups = batches_by_length(table.lengths, budget, one_length)
    # every rank runs the same number of forwards: with sharded weights each forward is a collective operation
    mine = share_of_rank(groups, world.rank, world.size)
    parts = []
    with evaluation_mode(model):
        for batch in mine:
            inputs = pad_rows(table[batch.rows], pad_id, world.device)
            logits_BC = model(**{key: value for key, value in inputs.items() if given is None or key in given.keys})
            if batch.counts:
                parts.append((batch.rows, read(logits_BC)))
    of_all = [found for part in world.gather(parts) for found in part]
    probabilities_NC = np.zeros((len(table), of_all[0][1].shape[1] if of_all else 2))
    for rows, values in of_all:
        probabilities_NC[rows] = values
    require_finite(probabilities_NC, range(len(table)), model)
    return probabilities_NC


def padding_changes_answers(model: nn.Module, table: RowTable, pad_id: int, world: World) -> bool:
    """Predict the shortest row alone, padded to the next longer row, and padded to the longest; the same answer on
    every rank."""
    order = np.argsort(table.lengths, kind="stable")
    longer = order[table.lengths[order] > table.lengths[order[:1]]]
    if not len(longer):
        return False

    def ask(rows: Sequence[int]) -> torch.Tensor:
        return model(**pad_rows(table[np.array(rows)], pad_id, world.device))

    with evaluation_mode(model):
        return any(world.gather(padding_matters(ask, int(order[0]), [int(longer[0]), int(longer[-1])])))
