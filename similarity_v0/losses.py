"""Losses of fine-tuning behind one interface: what each pair loses, from its logits and its label.

Shapes: B pairs, C outputs of the head. C = 1 is one target: a probability by the sigmoid (loss "bce").
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch.nn import functional as F

from final_project.training.precision import at_least_float32

LossName = Literal["ce", "focal", "bce"]


@dataclass(frozen=True)
class PairLoss:
    """name: "ce" cross entropy; "focal" (Lin et al. 2017) -(1 - p)^gamma log p, which turns from what is already right;
    "bce" binary cross entropy of each output, averaged over outputs.

    label_smoothing: this share of every target is spread evenly over the classes (Szegedy et al. 2016).
    """

    name: LossName = "ce"
    focal_gamma: float = 2.0
    label_smoothing: float = 0.0

    def __call__(self, logits_BC: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        """(B,) losses in float32 at least. targets: labels (B,), integers, or shares of the classes (B, C)."""
        logits_BC = at_least_float32(logits_BC)
        if self.name == "ce":
            return F.cross_entropy(logits_BC, targets, reduction="none", label_smoothing=self.label_smoothing)
        if not targets.is_floating_point():
            targets = soft_targets(targets, logits_BC)
        n_classes = max(2, logits_BC.shape[1])
        targets = targets * (1.0 - self.label_smoothing)
        if self.name == "bce":
            targets = targets + self.label_smoothing / 2
            return F.binary_cross_entropy_with_logits(logits_BC, targets, reduction="none").mean(dim=1)
        targets = targets + self.label_smoothing / n_classes
        log_p_BC = torch.log_softmax(logits_BC, dim=1)
        # 1 - p, exact also where p is nearly 1, and never 0, where a power below 1 has no slope
        rest_BC = (-torch.expm1(log_p_BC)).clamp_min(torch.finfo(log_p_BC.dtype).tiny)
        return -(targets * rest_BC**self.focal_gamma * log_p_BC).sum(dim=1)

    def of_step(self, sums: Callable[[], object]) -> PairLoss:
        """The loss for the micro-batches of one step: a sum over rows, which needs to know nothing of the others."""
        return self

    def of_blend(
        self, logits_BC: torch.Tensor, labels_B: torch.Tensor, weights_B: torch.Tensor, share: float,
        partners_B: torch.Tensor,
    ) -> torch.Tensor:  # fmt: skip
        """(B,) weighted losses of blended pairs: against a pair's own label and against its partner's, in the shares of
        the blend."""
        own_B = self(logits_BC, labels_B) * weights_B
        other_B = self(logits_BC, labels_B[partners_B]) * weights_B[partners_B]
        return share * own_B + (1.0 - share) * other_B


def soft_targets(labels_B: torch.Tensor, logits_BC: torch.Tensor) -> torch.Tensor:
    """Integer labels as shares of the classes, (B, C), or as the one target, (B, 1); in the type of the logits."""
    if logits_BC.shape[1] == 1:
        return labels_B[:, None].to(logits_BC.dtype)
    return F.one_hot(labels_B, logits_BC.shape[1]).to(logits_BC.dtype)


def log_probabilities(logits_BC: torch.Tensor) -> torch.Tensor:
    """Of every class, in float32 at least; with one output the two of its sigmoid, (B, 2)."""
    logits_BC = at_least_float32(logits_BC)
    if logits_BC.shape[1] == 1:
        return torch.cat([F.logsigmoid(-logits_BC), F.logsigmoid(logits_BC)], dim=1)
    return torch.log_softmax(logits_BC, dim=1)
