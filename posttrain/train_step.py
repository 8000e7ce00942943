"""One optimizer step of masked-LM training. Nothing else in this stage calls backward or step."""

from __future__ import annotations

import torch
from torch.nn import functional as F

from final_project.training.batching import derive_seed
from final_project.training.engines.engine import Engine
from final_project.training.precision import at_least_float32
from posttrain.batches import MaskedBatch


def train_step(
    engine: Engine, batches: list[MaskedBatch], n_masked: int, seed: int, step: int, max_grad_norm: float
) -> dict[str, float]:
    """Take one step on this rank's micro-batches.

    n_masked: masked tokens in the whole step, over all ranks. Loss = summed cross entropy / n_masked.
    """
    loss_sum = torch.zeros((), dtype=torch.float64, device=engine.world.device)
    for position, batch in enumerate(batches):
        torch.manual_seed(derive_seed(seed, step, batch.index))  # dropout: the same on any rank, and after a resume
        with engine.backward_pass(synchronise=position == len(batches) - 1):
            logits_MV = engine(**batch.inputs, masked_M=batch.masked_M)
            loss = (
                F.cross_entropy(at_least_float32(logits_MV), batch.targets_M, reduction="sum") * batch.weight / n_masked
            )
            engine.backward(loss)
        loss_sum += loss.detach()
    grad_norm = engine.step(max_grad_norm)
    return {"loss": engine.world.sum(float(loss_sum))[0], "grad_norm": grad_norm}
