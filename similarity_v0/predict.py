"""Probabilities of a classifier over a token table.

In float32 unless the caller says otherwise, so that the threshold found on dev holds for whoever loads the folder.
"""

from __future__ import annotations

import numpy as np
import torch

from final_project.model.decision import probabilities_of
from final_project.model.finite import require_finite
from final_project.model.token_table import TokenTable, pad_rows
from final_project.training.batching import batches_by_length, share_of_rank
from final_project.training.world import World
from similarity_v0.model import PairModel

BATCH_TOKENS = {"cpu": 2048, "cuda": 32768}
"""Padding included. A CPU is fastest where a batch stays in its caches, a GPU where there is much to do at once."""


@torch.no_grad()
def predict_probabilities(model: PairModel, table: TokenTable, pad_id: int, world: World) -> np.ndarray:
    """(N, C) class probabilities of every row, in the table's order, on every rank. Leaves the model in its mode.
    Raises NotFinite, on every rank, at the first row whose probabilities are not finite."""
    groups = batches_by_length(table.lengths, BATCH_TOKENS["cpu" if world.device.type == "cpu" else "cuda"])
    # every rank runs as many forwards: where weights are sharded, each of them is a collective
    mine = share_of_rank(groups, world.rank, world.size)
    was_training = model.training
    model.eval()
    parts = []
    for batch in mine:
        logits_BC = model(**pad_rows(table[batch.rows], pad_id, world.device))
        if batch.counts:
            parts.append((batch.rows, probabilities_of(logits_BC)))
    model.train(was_training)
    probabilities_NC = np.zeros((len(table), 2))
    for part in world.gather(parts):
        for rows, values in part:
            probabilities_NC[rows] = values
    require_finite(probabilities_NC, range(len(table)), model)
    return probabilities_NC
