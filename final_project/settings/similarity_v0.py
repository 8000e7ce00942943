"""Settings of similarity_v0."""

from __future__ import annotations

from typing import Literal

from final_project.settings.section import setting
from final_project.settings.training import Training


class SimilarityV0(Training):
    """Fine-tuning of the pair classifier."""

    init: str = setting("", "transformers folder to start from; empty = what posttrain exported", "path")
    max_train_pairs: int = setting(0, "use only the first N pairs after a seeded shuffle; 0 = all", "pairs", ge=0)
    eval_every: int = setting(0, "updates between evaluations on dev; 0 = once an epoch", "updates", ge=0)
    best_by: Literal["accuracy", "f1", "loss"] = setting("accuracy", "dev metric that picks the checkpoint")
    threshold: Literal["sweep", "margin"] = setting("sweep", "sweep P(1) on dev, or a fixed margin on the logits")
    logit_margin: float = setting(0.94, "label 1 iff z1 - z0 exceeds this (threshold: margin)", "logits")
    fgm_eps: float = setting(0.0, "radius of the adversarial step on the word embeddings; 0 = off", ge=0)
    fgm_direction: Literal["micro_batch", "accumulated"] = setting(
        "micro_batch", "gradient that points the attack: this micro-batch's, or what accumulation has left"
    )
    ema_decay: float = setting(0.0, "decay of the averaged weights that are evaluated; 0 = off", ge=0, lt=1)
