"""One optimizer step of fine-tuning, all tricks in the order in which they act.

This is the only place in the stage that calls backward or step. Shapes: B pairs, T tokens, C classes.
"""

from __future__ import annotations

import math
from contextlib import nullcontext

import torch
from torch.nn import functional as F

from final_project.training.batching import seed_of
from final_project.training.engines.base import Engine
from final_project.training.precision import at_least_float32
from similarity_v0.batches import PairBatch
from similarity_v0.tricks.ema import Ema
from similarity_v0.tricks.fgm import Fgm


def train_step(
    engine: Engine,
    batches: list[PairBatch],
    n_pairs: int,
    seed: int,
    step: int,
    max_grad_norm: float,
    attack: Fgm | None = None,
    ema: Ema | None = None,
) -> dict[str, float]:
    """Take one step on this rank's micro-batches; returns the mean clean loss and the gradient norm.

    n_pairs: pairs in the whole step, over all ranks and micro-batches. Every loss is a sum divided by n_pairs, and
    gradients are summed over ranks, so any number of processes and any accumulation give the same update.
    """
    clean_sum = torch.zeros((), dtype=torch.float64, device=engine.world.device)
    if attack:
        attack.begin_step()
    for position, batch in enumerate(batches):
        last = position == len(batches) - 1
        torch.manual_seed(seed_of(seed, step, batch.index))  # dropout: the same on any rank, and after a resume

        # 1. clean loss; where an attack follows, the exchange between ranks waits for it
        with engine.backward_pass(synchronise=last and not attack), attack.watching() if attack else nullcontext():
            clean = pair_loss(engine, batch) / n_pairs
            engine.backward(clean)
        clean_sum += clean.detach()

        # 2. adversarial loss: the same pairs, their embeddings moved where the clean loss rises fastest
        if attack:
            with engine.backward_pass(synchronise=last), attack.applied():
                engine.backward(pair_loss(engine, batch) / n_pairs)

    # 3. clip and update
    grad_norm = engine.step(max_grad_norm)

    # 4. average the weights; a gradient that is not finite has changed none
    if ema and math.isfinite(grad_norm):
        ema.update()
    return {"loss": engine.world.sum(float(clean_sum))[0], "grad_norm": grad_norm}


def pair_loss(engine: Engine, batch: PairBatch) -> torch.Tensor:
    """Cross entropy summed over the pairs of a micro-batch; zero for a stand-in that only keeps ranks in step."""
    logits_BC = engine(**batch.inputs)
    return F.cross_entropy(at_least_float32(logits_BC), batch.labels_B, reduction="sum") * batch.weight
