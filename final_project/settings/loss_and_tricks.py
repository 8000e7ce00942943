"""Settings of what fine-tuning minimises: the loss, attacks, consistency, mixing, averages of the weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from final_project.settings.section import setting
from final_project.settings.training import Training


class LossAndTricks(Training):
    """The part of similarity_v0 that its train_step reads in order."""

    loss: Literal["ce", "focal", "bce"] = setting("ce", "cross entropy, focal loss, or binary cross entropy per output")
    focal_gamma: float = setting(2.0, "how far focal loss turns from what is already right; 0 = ce", ge=0)
    label_smoothing: float = setting(0.0, "share of every label that is spread over the classes", "share", ge=0, lt=1)
    pair_weights: Literal["equal", "like_dev"] = setting(
        "equal", "all pairs alike, or weighed so that label and overlap of the two texts are as frequent as in dev"
    )
    r_drop: float = setting(0.0, "weight of the disagreement between two dropout masks (R-Drop); 0 = off", ge=0)
    mixup: Literal["", "embeddings", "layer", "last", "pool"] = setting(
        "", "where pairs are also blended in twos: after the embeddings, a random inner layer, the last, the pool"
    )
    mixup_alpha: float = setting(1.0, "shares of a blend are drawn from Beta(alpha, alpha)", gt=0)
    fgm_eps: float = setting(0.0, "radius of the adversarial step on the word embeddings; 0 = off", ge=0)
    fgm_direction: Literal["micro_batch", "accumulated"] = setting(
        "micro_batch", "gradient that points the attack: this micro-batch's, or what accumulation has left"
    )
    pgd_eps: float = setting(0.0, "radius of the ball in which PGD climbs; published 1; 0 = off", ge=0)
    pgd_alpha: float = setting(0.3, "length of one step of PGD", gt=0)
    pgd_steps: int = setting(3, "steps of PGD, a forward and backward each", "steps", ge=1)
    freelb_eps: float = setting(0.0, "radius of each pair's ball in FreeLB; 0 = off", ge=0)
    freelb_alpha: float = setting(0.1, "length of one step of FreeLB", gt=0)
    freelb_steps: int = setting(3, "passes whose gradients FreeLB averages, the clean one included", "passes", ge=2)
    awp_gamma: float = setting(
        0.0, "how far adversarial weight perturbation moves each matrix; published 0.005; 0 = off", "share of its norm",
        ge=0, le=1,
    )  # fmt: skip
    ema_decay: float = setting(0.0, "decay of the averaged weights that are evaluated; 0 = off", ge=0, lt=1)
    swa_start: float = setting(
        1.0, "share of the updates after which equal averaging of the weights begins; 1 = off", "share", ge=0, le=1
    )

    def conflicts(self) -> Iterator[str]:
        yield from super().conflicts()
        attacks = [name for name in ("fgm_eps", "pgd_eps", "freelb_eps", "awp_gamma") if getattr(self, name)]
        if len(attacks) > 1:
            yield f"{' and '.join(attacks)}: one attack at a time, set all but one of them to 0"
        if self.ema_decay and self.swa_start < 1:
            yield "ema_decay and swa_start: one average at a time, set ema_decay to 0 or swa_start to 1"
