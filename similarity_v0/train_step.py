"""One optimizer step of fine-tuning, with all tricks in the order in which they act.

This is the only place in the stage that calls backward or step. Shapes: B pairs, T tokens, H hidden, C outputs.

Every pass over a micro-batch draws its dropout masks from (seed, step, micro-batch, pass), so the masks are the same on
any rank and after a resume. An adversarial pass draws new masks, as in the published solution; FreeLB keeps those of
the clean pass.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import cast

import torch

from final_project.model.score_loss import ScoreLoss, StepSums
from final_project.training.batching import derive_seed
from final_project.training.engines.engine import Engine
from similarity_v0.batches import PairBatch
from similarity_v0.tricks.chosen import Tricks
from similarity_v0.tricks.mixup import Blend
from similarity_v0.tricks.r_drop import doubled, r_drop_losses

CLEAN, MIXUP, FIRST_ADVERSARIAL = 0, 1, 2  # numbers of the passes over a micro-batch, part of each pass's seed


@dataclass(frozen=True)
class Step:
    """One optimizer step on this rank. n_pairs: pairs of the whole step, over all ranks and micro-batches.

    Every loss is a sum divided by n_pairs, and gradients are summed over ranks. So any number of processes and any
    accumulation give the same update.
    """

    batches: list[PairBatch]
    n_pairs: int
    seed: int
    number: int


def train_step(engine: Engine, step: Step, max_grad_norm: float, tricks: Tricks) -> dict[str, float]:
    """Take one step; returns the mean clean loss (R-Drop's term included) and the gradient norm."""
    tricks = tricks.at(step.number)
    attack = tricks.attack
    attack.begin_step()
    clean_sum = torch.zeros((), dtype=torch.float64, device=engine.world.device)
    # 0. adversarial weight perturbation: everything below is computed with the moved weights
    with moved_weights(engine, step, tricks) if tricks.weight_attack else contextlib.nullcontext():
        tricks = with_loss_of_step(engine, step, tricks)
        for position, batch in enumerate(step.batches):
            # 1. mixup: the loss of pairs that are blended two by two
            if tricks.mixup:
                blend = tricks.mixup.draw(len(batch.labels_B), batch.labels_B.device, *seeds(step, batch, MIXUP))
                seed_masks(step, batch, MIXUP)
                with engine.backward_pass(synchronise=False), attack.watching(), blend.applied():
                    engine.backward(mixup_loss(engine, batch, tricks, blend) / step.n_pairs)

            # 2. clean loss; with R-Drop, the loss under two dropout masks plus their disagreement
            is_last = is_last_backward(step, position, n_passes_left=len(attack.passes))
            seed_masks(step, batch, CLEAN)
            with engine.backward_pass(synchronise=is_last), attack.watching():
                clean = pair_loss(engine, batch, tricks) / step.n_pairs
                engine.backward(clean * attack.clean_share)
            clean_sum += clean.detach()

            # 3. adversarial loss: the same pairs, their embeddings moved in the direction in which the loss rises
            for index, adversarial_pass in enumerate(attack.passes):
                is_last = is_last_backward(step, position, n_passes_left=len(attack.passes) - index - 1)
                seed_masks(step, batch, CLEAN if attack.keeps_masks else FIRST_ADVERSARIAL + index)
                if adversarial_pass.direction_only:
                    # this pass only supplies the attack's next direction: no weight gradients
                    with engine.pointing_pass(), attack.applied():
                        loss = pair_loss(engine, batch, tricks)
                        engine.backward_to(loss, attack.embedded())
                else:
                    with engine.backward_pass(synchronise=is_last), attack.applied():
                        engine.backward(pair_loss(engine, batch, tricks) / step.n_pairs * adversarial_pass.share)

    # 4. flooding: where the loss is below its level, the step is to raise it
    if tricks.flood and engine.world.sum(float(clean_sum))[0] < tricks.flood:
        engine.reverse_gradients()

    # 5. clip and update
    grad_norm = engine.step(max_grad_norm)

    # 6. average the weights, unless a gradient that is not finite has prevented the update
    if tricks.average and math.isfinite(grad_norm):
        tricks.average.update()
    return {"loss": engine.world.sum(float(clean_sum))[0], "grad_norm": grad_norm}


def is_last_backward(step: Step, position: int, n_passes_left: int = 0) -> bool:
    """Whether this backward is the last of the step: only then do the ranks exchange gradients.

    position: index of the micro-batch in the step. n_passes_left: passes over this micro-batch that follow.
    """
    return position == len(step.batches) - 1 and n_passes_left == 0


def pair_loss(engine: Engine, batch: PairBatch, tricks: Tricks) -> torch.Tensor:
    """Sum of the weighted losses of a micro-batch's pairs; 0 for a filler micro-batch that only keeps ranks in step."""
    if not tricks.r_drop:
        return (tricks.loss(engine(**batch.inputs), batch.labels_B) * batch.weights_B).sum()
    logits_2BC = engine(**doubled(batch.inputs))
    losses_2B = tricks.loss(logits_2BC, batch.labels_B.repeat(2))
    return (r_drop_losses(losses_2B, logits_2BC, tricks.r_drop, tricks.disagreement) * batch.weights_B).sum()


def mixup_loss(engine: Engine, batch: PairBatch, tricks: Tricks, blend: Blend) -> torch.Tensor:
    """Like pair_loss, for blended pairs."""
    logits_BC = engine(**batch.inputs)
    return tricks.loss.of_blend(logits_BC, batch.labels_B, batch.weights_B, blend.share, blend.partners_B).sum()


def with_loss_of_step(engine: Engine, step: Step, tricks: Tricks) -> Tricks:
    """The tricks with the loss of this step. Most losses are sums over rows; mcrmse first needs the sums of the squared
    errors over the whole step, from one more forward under the same masks."""
    loss = tricks.loss
    of_step = loss.of_step(lambda: step_sums(engine, step, cast(ScoreLoss, loss)))
    return tricks if of_step is loss else replace(tricks, loss=of_step)


@torch.no_grad()
def step_sums(engine: Engine, step: Step, loss: ScoreLoss) -> StepSums:
    """The sums over all micro-batches and ranks, at the weights of this moment. Every rank takes as many forwards."""
    totals: list[torch.Tensor] = []
    for batch in step.batches:
        seed_masks(step, batch, CLEAN)
        squares_C, known_C = loss.sums(engine(**batch.inputs), batch.labels_B)
        totals.append(torch.cat([squares_C, known_C]) * batch.counts)
    squares_and_known = engine.world.sum(*torch.stack(totals).sum(dim=0).tolist())
    middle = len(squares_and_known) // 2
    return StepSums(squares_and_known[:middle], squares_and_known[middle:], step.n_pairs)


@contextlib.contextmanager
def moved_weights(engine: Engine, step: Step, tricks: Tricks) -> Iterator[None]:
    """Take the gradient of the whole step's clean loss; within the block the weights are moved along it."""
    tricks = with_loss_of_step(engine, step, tricks)
    for position, batch in enumerate(step.batches):
        seed_masks(step, batch, CLEAN)
        with engine.backward_pass(synchronise=is_last_backward(step, position)):
            engine.backward(pair_loss(engine, batch, tricks) / step.n_pairs)
    assert tricks.weight_attack is not None
    with tricks.weight_attack.applied(engine.take_gradients()):
        yield


def seeds(step: Step, batch: PairBatch, number: int) -> tuple[int, ...]:
    """Seed of one pass over one micro-batch. number: of the pass."""
    return step.seed, step.number, batch.index, number


def seed_masks(step: Step, batch: PairBatch, number: int) -> None:
    """Seed torch's generator, so that a pass's dropout masks do not depend on what ran before."""
    torch.manual_seed(derive_seed(*seeds(step, batch, number)))
