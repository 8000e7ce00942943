"""One optimizer step of fine-tuning, all tricks in the order in which they act.

This is the only place in the stage that calls backward or step. Shapes: B pairs, T tokens, C outputs.

Every pass over a micro-batch draws its dropout masks from (seed, step, micro-batch, pass), so they are the same on any
rank and after a resume. An adversarial pass draws its own, as in the original; FreeLB keeps those of the clean pass.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch

from final_project.training.batching import seed_of
from final_project.training.engines.base import Engine
from similarity_v0.batches import PairBatch
from similarity_v0.tricks.chosen import Tricks
from similarity_v0.tricks.mixup import Blend
from similarity_v0.tricks.r_drop import doubled, r_drop_losses

CLEAN, MIXUP, ATTACK = 0, 1, 2  # passes over a micro-batch, as they count for its random numbers


@dataclass(frozen=True)
class Step:
    """One step of this rank. n_pairs: pairs in the whole step, over all ranks and micro-batches. Every loss is a sum
    divided by n_pairs, and gradients are summed over ranks, so any number of processes and any accumulation give the
    same update."""

    batches: list[PairBatch]
    n_pairs: int
    seed: int
    number: int


def train_step(engine: Engine, step: Step, max_grad_norm: float, tricks: Tricks) -> dict[str, float]:
    """Take one step; returns the mean clean loss (with R-Drop's part of it) and the gradient norm."""
    attack = tricks.attack
    attack.begin_step()
    clean_sum = torch.zeros((), dtype=torch.float64, device=engine.world.device)
    # 0. adversarial weight perturbation: all that follows is computed with the weights moved
    with moved_weights(engine, step, tricks) if tricks.weight_attack else contextlib.nullcontext():
        for position, batch in enumerate(step.batches):
            last = position == len(step.batches) - 1  # the exchange between ranks waits for its last pass

            # 1. mixup: the loss of pairs blended in twos
            if tricks.mixup:
                blend = tricks.mixup.draw(len(batch.labels_B), batch.labels_B.device, *seeds(step, batch, MIXUP))
                seed_masks(step, batch, MIXUP)
                with engine.backward_pass(synchronise=False), attack.watching(), blend.applied():
                    engine.backward(mixup_loss(engine, batch, tricks, blend) / step.n_pairs)

            # 2. clean loss; with R-Drop, of two dropout masks that should agree
            seed_masks(step, batch, CLEAN)
            with engine.backward_pass(synchronise=last and not attack.shares), attack.watching():
                clean = pair_loss(engine, batch, tricks) / step.n_pairs
                engine.backward(clean * attack.clean_share)
            clean_sum += clean.detach()

            # 3. adversarial loss: the same pairs, their embeddings moved where the loss rises fastest
            for n_done, share in enumerate(attack.shares):
                seed_masks(step, batch, CLEAN if attack.keeps_masks else ATTACK + n_done)
                if share:
                    is_end = last and n_done + 1 == len(attack.shares)
                    with engine.backward_pass(synchronise=is_end), attack.applied():
                        engine.backward(pair_loss(engine, batch, tricks) / step.n_pairs * share)
                else:  # only points the way
                    with engine.pointing_pass(), attack.applied():
                        engine.backward_to(pair_loss(engine, batch, tricks), attack.output_BTH)

    # 4. clip and update
    grad_norm = engine.step(max_grad_norm)

    # 5. average the weights; a gradient that is not finite has changed none
    if tricks.average and math.isfinite(grad_norm):
        tricks.average.update()
    return {"loss": engine.world.sum(float(clean_sum))[0], "grad_norm": grad_norm}


def pair_loss(engine: Engine, batch: PairBatch, tricks: Tricks) -> torch.Tensor:
    """The weighted losses of a micro-batch's pairs, summed; zero for a stand-in that only keeps ranks in step."""
    if not tricks.r_drop:
        return (tricks.loss(engine(**batch.inputs), batch.labels_B) * batch.weights_B).sum()
    logits_2BC = engine(**doubled(batch.inputs))
    losses_2B = tricks.loss(logits_2BC, batch.labels_B.repeat(2))
    return (r_drop_losses(losses_2B, logits_2BC, tricks.r_drop) * batch.weights_B).sum()


def mixup_loss(engine: Engine, batch: PairBatch, tricks: Tricks, blend: Blend) -> torch.Tensor:
    """As pair_loss, of blended pairs, each against its own label and its partner's, by their shares."""
    logits_BC = engine(**batch.inputs)
    own_B = tricks.loss(logits_BC, batch.labels_B) * batch.weights_B
    other_B = tricks.loss(logits_BC, batch.labels_B[blend.partners_B]) * batch.weights_B[blend.partners_B]
    return (blend.share * own_B + (1.0 - blend.share) * other_B).sum()


@contextlib.contextmanager
def moved_weights(engine: Engine, step: Step, tricks: Tricks) -> Iterator[None]:
    """A pass over the whole step that only points the way; within the block the weights are moved along it."""
    for position, batch in enumerate(step.batches):
        seed_masks(step, batch, CLEAN)
        with engine.backward_pass(synchronise=position == len(step.batches) - 1):
            engine.backward(pair_loss(engine, batch, tricks) / step.n_pairs)
    with tricks.weight_attack.applied(engine.take_gradients()):
        yield


def seeds(step: Step, batch: PairBatch, number: int) -> tuple[int, ...]:
    return step.seed, step.number, batch.index, number


def seed_masks(step: Step, batch: PairBatch, number: int) -> None:
    torch.manual_seed(seed_of(*seeds(step, batch, number)))
