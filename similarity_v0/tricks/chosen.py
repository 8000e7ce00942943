"""Builds the tricks that a recipe selects, for train_step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import cast, get_args

from final_project.model.score_loss import ScoreLoss, ScoreLossName
from final_project.settings import SimilarityV0
from final_project.training.engines.engine import Engine
from similarity_v0.losses import LossName, PairLoss
from similarity_v0.model import PairModel
from similarity_v0.tricks.attack import NO_ATTACK, Attack
from similarity_v0.tricks.average import AveragedWeights
from similarity_v0.tricks.awp import Awp
from similarity_v0.tricks.ema import Ema
from similarity_v0.tricks.fgm import Fgm
from similarity_v0.tricks.freelb import FreeLb
from similarity_v0.tricks.mixup import Mixup
from similarity_v0.tricks.pgd import Pgd
from similarity_v0.tricks.r_drop import Disagreement
from similarity_v0.tricks.swa import Swa


@dataclass(frozen=True)
class Tricks:
    """The defaults are no tricks: cross entropy, one pass. r_drop: weight of the disagreement; 0 = one forward.
    disagreement: its measure; None = that of classes. flood: level of the loss below which the gradient is reversed.
    first_attacked: update with which attacks begin."""

    loss: PairLoss | ScoreLoss = field(default_factory=PairLoss)
    r_drop: float = 0.0
    disagreement: Disagreement | None = None
    mixup: Mixup | None = None
    attack: Attack = NO_ATTACK
    weight_attack: Awp | None = None
    average: AveragedWeights | None = None
    flood: float = 0.0
    first_attacked: int = 1

    def at(self, update: int) -> Tricks:
        """Those that act in this update, counted from 1."""
        return self if update >= self.first_attacked else replace(self, attack=NO_ATTACK, weight_attack=None)

    @property
    def n_passes(self) -> float:
        """Forward and backward passes of a step over the same pairs, for the count of operations. A direction_only pass
        computes no weight gradients, which are a third of a pass."""
        n_directions = sum(adversarial_pass.direction_only for adversarial_pass in self.attack.passes)
        n_full: float = 1 + len(self.attack.passes) - n_directions + bool(self.weight_attack)
        if isinstance(self.loss, ScoreLoss) and self.loss.name == "mcrmse":  # one more forward, a third of a pass
            n_full += (1 + bool(self.weight_attack)) / 3
        return (2 if self.r_drop else 1) * (n_full + n_directions * 2 / 3) + bool(self.mixup)


def build_tricks(
    settings: SimilarityV0, model: PairModel, engine: Engine, n_updates: int, target_weights: Sequence[float] = ()
) -> Tricks:
    """n_updates: updates of the whole training; swa_start and attack_from are fractions of them. target_weights: of
    scores."""
    s, loss = settings, build_loss(settings, model, target_weights)
    return Tricks(
        loss=loss,
        r_drop=s.r_drop,
        disagreement=loss.disagreement if isinstance(loss, ScoreLoss) else None,
        mixup=Mixup(model, s.mixup, s.mixup_alpha) if s.mixup else None,
        attack=build_attack(settings, model),
        weight_attack=Awp(engine, s.awp_gamma) if s.awp_gamma else None,
        average=build_average(settings, engine, n_updates),
        flood=s.flood,
        first_attacked=math.floor(s.attack_from * n_updates) + 1,
    )


def build_loss(settings: SimilarityV0, model: PairModel, target_weights: Sequence[float]) -> PairLoss | ScoreLoss:
    s = settings
    if s.loss in get_args(LossName):
        return PairLoss(cast(LossName, s.loss), s.focal_gamma, s.label_smoothing)
    scale_C = None if model.factor_C is None else model.factor_C.tolist()
    return ScoreLoss(cast(ScoreLossName, s.loss), s.smooth_l1_beta, list(target_weights) or None, scale_C)


def build_attack(settings: SimilarityV0, model: PairModel) -> Attack:
    s = settings
    if s.fgm_eps:
        return Fgm(model.word_embedding, s.fgm_eps, s.fgm_direction)
    if s.pgd_eps:
        return Pgd(model.word_embedding, s.pgd_eps, s.pgd_alpha, s.pgd_steps)
    if s.freelb_eps:
        return FreeLb(model.word_embedding, s.freelb_eps, s.freelb_alpha, s.freelb_steps)
    return NO_ATTACK


def build_average(settings: SimilarityV0, engine: Engine, n_updates: int) -> AveragedWeights | None:
    if settings.ema_decay:
        return Ema(engine, settings.ema_decay)
    if settings.swa_start < 1:
        return Swa(engine, first=math.floor(settings.swa_start * n_updates) + 1)
    return None
