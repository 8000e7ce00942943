"""The tricks that a recipe has chosen, ready for train_step."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from final_project.settings import SimilarityV0
from final_project.training.engines.base import Engine
from similarity_v0.losses import PairLoss
from similarity_v0.model import PairModel
from similarity_v0.tricks.attack import NoAttack
from similarity_v0.tricks.average import AveragedWeights
from similarity_v0.tricks.awp import Awp
from similarity_v0.tricks.ema import Ema
from similarity_v0.tricks.fgm import Fgm
from similarity_v0.tricks.freelb import FreeLb
from similarity_v0.tricks.mixup import Mixup
from similarity_v0.tricks.pgd import Pgd
from similarity_v0.tricks.swa import Swa


@dataclass(frozen=True)
class Tricks:
    """As they stand, none: cross entropy, one pass. r_drop: the weight of the disagreement, 0 = one forward."""

    loss: PairLoss = field(default_factory=PairLoss)
    r_drop: float = 0.0
    mixup: Mixup | None = None
    attack: NoAttack = field(default_factory=NoAttack)
    weight_attack: Awp | None = None
    average: AveragedWeights | None = None


def chosen_tricks(settings: SimilarityV0, model: PairModel, engine: Engine, n_updates: int) -> Tricks:
    """n_updates: those of the whole training, of which swa_start is a share."""
    s = settings
    return Tricks(
        loss=PairLoss(s.loss, s.focal_gamma, s.label_smoothing),
        r_drop=s.r_drop,
        mixup=Mixup(model, s.mixup, s.mixup_alpha) if s.mixup else None,
        attack=chosen_attack(settings, model),
        weight_attack=Awp(engine, s.awp_gamma) if s.awp_gamma else None,
        average=chosen_average(settings, engine, n_updates),
    )


def chosen_attack(settings: SimilarityV0, model: PairModel) -> NoAttack:
    s = settings
    if s.fgm_eps:
        return Fgm(model.word_embedding, s.fgm_eps, s.fgm_direction)
    if s.pgd_eps:
        return Pgd(model.word_embedding, s.pgd_eps, s.pgd_alpha, s.pgd_steps)
    if s.freelb_eps:
        return FreeLb(model.word_embedding, s.freelb_eps, s.freelb_alpha, s.freelb_steps)
    return NoAttack()


def chosen_average(settings: SimilarityV0, engine: Engine, n_updates: int) -> AveragedWeights | None:
    if settings.ema_decay:
        return Ema(engine, settings.ema_decay)
    if settings.swa_start < 1:
        return Swa(engine, first=math.floor(settings.swa_start * n_updates) + 1)
    return None


def n_passes(settings: SimilarityV0) -> float:
    """Forward and backward passes of a step over the same pairs. A pass that only points the way leaves out the
    gradients of the weights, a third of the arithmetic."""
    rows = 2 if settings.r_drop else 1
    n_points = settings.pgd_steps - 1 if settings.pgd_eps else 0
    n_attacks = bool(settings.fgm_eps or settings.pgd_eps) + (settings.freelb_steps - 1) * bool(settings.freelb_eps)
    return rows * (1 + n_attacks + n_points * 2 / 3 + bool(settings.awp_gamma)) + bool(settings.mixup)
