"""Parameter groups, the optimizer, and the course of the learning rate."""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import nn

from final_project.settings import Schedule, Training

BETAS = (0.9, 0.999)
MOMENTS = ("exp_avg", "exp_avg_sq")
"""What AdamW keeps of every weight, by torch's names."""


def parameter_groups(model: nn.Module, lr: float, weight_decay: float) -> list[dict]:
    """Weight matrices with decay; biases and LayerNorm weights (all vectors) without. Every trainable parameter is
    in exactly one group."""
    trainable = [p for p in model.parameters() if p.requires_grad]
    groups = [
        {"params": [p for p in trainable if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in trainable if p.ndim < 2], "weight_decay": 0.0},
    ]
    return [{**group, "lr": lr, "peak_lr": lr} for group in groups if group["params"]]


def freeze_idle_parameters(model: nn.Module) -> int:
    """Leave out of training what cannot change the model's answer; returns how many parameters.

    The bias of the attention keys adds the same number to all scores of a query, and softmax does not see it. Its
    gradient is rounding noise, which Adam would blow up to steps of full size, different on every number of ranks.
    """
    idle = [weight for name, weight in model.named_parameters() if name.endswith("attention.self.key.bias")]
    for weight in idle:
        weight.requires_grad_(False)
    return len(idle)


def adamw(groups: list[dict], settings: Training) -> torch.optim.AdamW:
    """torch's fused AdamW: one kernel a parameter instead of a dozen; on a CPU three times as fast and more."""
    return torch.optim.AdamW(groups, betas=BETAS, eps=settings.adam_eps, fused=True)


def start_moments(adam: torch.optim.AdamW, weights: Iterable[torch.Tensor] | None = None) -> None:
    """Give the optimizer's weights the state that AdamW itself would give them in its first step."""
    for weight in weights or [weight for group in adam.param_groups for weight in group["params"]]:
        step = torch.zeros((), dtype=torch.float32, device=weight.device)
        adam.state[weight] = {"step": step, **{key: torch.zeros_like(weight) for key in MOMENTS}}


def lr_factor(done: int, total: int, warmup_frac: float, schedule: Schedule) -> float:
    """Share of the peak rate for the update after `done` of `total` updates; as transformers' get_scheduler has it.

    A pure function of the step, so that a checkpoint needs no scheduler state.
    """
    warmup = math.ceil(total * warmup_frac)
    if done < warmup:
        return done / max(1, warmup)
    if schedule == "constant":
        return 1.0
    course = (done - warmup) / max(1, total - warmup)
    if schedule == "linear":
        return max(0.0, 1.0 - course)
    return 0.5 * (1.0 + math.cos(math.pi * course))


def set_lr(optimizer: torch.optim.Optimizer, done: int, total: int, settings: Training) -> float:
    """Set every group's rate for the coming update; returns the first group's."""
    factor = lr_factor(done, total, settings.warmup_frac, settings.schedule)
    for group in optimizer.param_groups:
        group["lr"] = group["peak_lr"] * factor
    return optimizer.param_groups[0]["lr"]
