"""Settings of what fine-tuning minimises: the loss, attacks, consistency, mixing, averages of the weights."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from final_project.settings.section import setting
from final_project.settings.training import Training

ATTACKS = ("fgm_eps", "pgd_eps", "freelb_eps", "awp_gamma")


class LossAndTricks(Training):
    """The part of similarity_v0 that its train_step reads in order."""

    loss: Literal["ce", "focal", "bce", "smooth_l1", "mse", "l1", "mcrmse"] = setting(
        "ce",
        "labels: cross entropy, focal loss, or binary cross entropy of each output. Scores: smooth_l1 (their default), "
        "mse, l1, or mcrmse, the mean of the scores' root mean square errors over the whole step",
        common=True,
    )
    smooth_l1_beta: float = setting(
        1.0, "error below which smooth_l1 is a square, above it a line; 0 = l1 (loss: smooth_l1)", ge=0
    )
    target_scale: Literal["none", "centre", "standard"] = setting(
        "standard",
        "scores are learnt as they are, less their training mean, or divided by their standard deviation as well",
    )
    focal_gamma: float = setting(2.0, "exponent gamma of focal loss; 0 = cross entropy (loss: focal)", ge=0)
    label_smoothing: float = setting(
        0.0, "part of each label's probability that is spread over all classes", "fraction", ge=0, lt=1
    )
    pair_weights: Literal["equal", "like_dev"] = setting(
        "equal", "loss weights of pairs: equal, or such that labels and word overlap are distributed as in dev"
    )
    class_weights: Literal["", "balanced"] = setting(
        "", "loss weights of labels, times pair_weights: none, or balanced = pairs / (labels * pairs of the label)"
    )
    flood: float = setting(
        0.0, "flooding: where a step's clean loss is below this level, its gradient is reversed; 0 = off", ge=0
    )
    r_drop: float = setting(0.0, "weight of the R-Drop loss (KL between two dropout masks); 0 = off", ge=0)
    mixup: Literal["", "embeddings", "layer", "last", "pool"] = setting(
        "", "where mixup blends pairs: after the embeddings, a random inner layer, the last layer, or the pool"
    )
    mixup_alpha: float = setting(1.0, "mixup ratios are drawn from Beta(alpha, alpha)", gt=0)
    fgm_eps: float = setting(
        0.0, "FGM: norm of the adversarial step on the word embeddings; 0 = off", common=True, ge=0
    )
    fgm_direction: Literal["micro_batch", "accumulated"] = setting(
        "micro_batch", "FGM: direction of the step: this micro-batch's gradient, or the gradient accumulated so far"
    )
    pgd_eps: float = setting(
        0.0, "PGD: radius of the ball around the word embeddings; the published solution uses 1; 0 = off", ge=0
    )
    pgd_alpha: float = setting(0.3, "PGD: length of one step", gt=0)
    pgd_steps: int = setting(3, "PGD: number of steps, one forward and backward pass each", "steps", ge=1)
    freelb_eps: float = setting(0.0, "FreeLB: radius of the ball around each pair's embeddings; 0 = off", ge=0)
    freelb_alpha: float = setting(0.1, "FreeLB: length of one step", gt=0)
    freelb_steps: int = setting(
        3, "FreeLB: passes whose gradients are averaged, the clean one included", "passes", ge=2
    )
    awp_gamma: float = setting(
        0.0, "AWP: adversarial step on each weight matrix; the published solution uses 0.005; 0 = off",
        "fraction of its norm", ge=0, le=1,
    )  # fmt: skip
    attack_from: float = setting(
        0.0, "fraction of the updates after which attacks begin; 0 = at once", "fraction", ge=0, lt=1
    )
    ema_decay: float = setting(
        0.0, "decay of the exponential moving average of the weights, which is evaluated; 0 = off", common=True, ge=0,
        lt=1,
    )  # fmt: skip
    swa_start: float = setting(
        1.0, "SWA: fraction of the updates after which weights are averaged equally; 1 = off", "fraction", ge=0, le=1
    )

    def conflicts(self) -> Iterator[str]:
        yield from super().conflicts()
        attacks = [name for name in ATTACKS if getattr(self, name)]
        if self.attack_from and not attacks:
            yield f"attack_from: {self.attack_from:g} has no effect without an attack; set one of {', '.join(ATTACKS)}"
        if self.flood and self.engine == "deepspeed" and self.offload_optimizer:
            yield (
                f"flood: {self.flood:g} reverses gradients on the device, and offload_optimizer: true moves them away; "
                "use one of the two"
            )
        if len(attacks) > 1:
            found = " and ".join(f"{name}: {getattr(self, name):g}" for name in attacks)
            yield f"{found}: only one attack at a time; set all but one of them to 0"
        if self.loss == "mcrmse":
            for name in ("r_drop", "mixup"):
                if value := getattr(self, name):
                    yield f"loss: mcrmse is no sum over rows, which {name}: {value} needs; use smooth_l1 or mse"
        if self.ema_decay and self.swa_start < 1:
            yield (
                f"ema_decay: {self.ema_decay:g} and swa_start: {self.swa_start:g}: only one average at a time; "
                "set ema_decay to 0 or swa_start to 1"
            )
