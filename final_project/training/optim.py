"""Parameter groups, the optimizer, and the learning-rate schedule."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import nn

from final_project.settings import Schedule, Training

BETAS = (0.9, 0.999)
LION_BETAS = (0.9, 0.99)
MOMENTS = {"adamw": ("exp_avg", "exp_avg_sq"), "lion": ("exp_avg",), "adafactor": ("row_var", "col_var", "variance")}
"""Names of the state tensors that each optimizer keeps per weight, without its step counter."""


@dataclass(frozen=True)
class ParameterGroup:
    """Weights, by their names in the model, that share a peak rate and a decay."""

    name: str
    weights: tuple[str, ...]
    lr: float
    weight_decay: float


GroupRule = Callable[[nn.Module, Training], list[ParameterGroup]]
"""Which trainable weight of a model belongs to which group: each to exactly one."""


def flat_groups(model: nn.Module, settings: Training) -> list[ParameterGroup]:
    """One rate for all."""
    names = [name for name, weight in model.named_parameters() if weight.requires_grad]
    return split_by_decay(model, "all", names, settings.lr, settings.weight_decay)


def split_by_decay(
    model: nn.Module, name: str, weights: Iterable[str], lr: float, weight_decay: float
) -> list[ParameterGroup]:
    """Weight matrices with decay; biases and LayerNorm weights (all vectors) without. Groups without a weight are left
    out."""
    shapes = dict(model.named_parameters())
    matrices: list[str] = []
    vectors: list[str] = []
    for weight in weights:
        (matrices if shapes[weight].ndim >= 2 else vectors).append(weight)
    decayed = ParameterGroup(name, tuple(matrices), lr, weight_decay)
    plain = ParameterGroup(f"{name}, no decay", tuple(vectors), lr, 0.0)
    return [group for group in (decayed, plain) if group.weights]


def optimizer_groups(model: nn.Module, groups: list[ParameterGroup]) -> list[dict]:
    """The groups in the form of torch's optimizers, with the model's current weights, sharded or not.
    Raises ValueError unless every trainable weight is in exactly one group."""
    trained = {name: weight for name, weight in model.named_parameters() if weight.requires_grad}
    named = Counter(name for group in groups for name in group.weights)
    if repeated := [name for name, times in named.items() if times > 1]:
        raise ValueError(f"{min(repeated)} is in two groups")
    if wrong := trained.keys() ^ named.keys():
        raise ValueError(f"{min(wrong)} is {'in no group' if min(wrong) in trained else 'not trained'}")
    return [
        {
            "params": [trained[name] for name in group.weights],
            "lr": group.lr,
            "peak_lr": group.lr,
            "weight_decay": group.weight_decay,
        }
        for group in groups
    ]


def freeze_idle_parameters(model: nn.Module) -> int:
    """Freeze weights that cannot change the model's output; returns the number of frozen parameters.

    The bias of the attention keys adds the same number to all scores of a query, which softmax cancels. Its
    gradient is rounding noise, which Adam would scale up to full steps that differ with the number of ranks.
    """
    idle = [weight for name, weight in model.named_parameters() if name.endswith("attention.self.key.bias")]
    for weight in idle:
        weight.requires_grad_(False)
    return len(idle)


def optimizer_class(settings: Training) -> tuple[type[torch.optim.Optimizer], dict]:
    """(class, its options). AdamW is torch's fused one: one kernel a parameter instead of a dozen; on a CPU three times
    as fast and more. torch's Adafactor takes min(lr, 1 / sqrt(step)) relative to the root mean square of a weight."""
    if settings.optimizer == "lion":
        from lion_pytorch import Lion

        return Lion, {"lr": settings.lr, "betas": LION_BETAS}
    if settings.optimizer == "adafactor":
        return torch.optim.Adafactor, {"lr": settings.lr}
    return torch.optim.AdamW, {"lr": settings.lr, "betas": BETAS, "eps": settings.adam_eps, "fused": True}


def build_optimizer(groups: list[dict], settings: Training) -> torch.optim.Optimizer:
    kind, options = optimizer_class(settings)
    return kind(groups, **options)


def start_moments(optimizer: torch.optim.Optimizer, name: str, weights: Iterable[torch.Tensor] | None = None) -> None:
    """Give the optimizer's weights the state that the optimizer `name` itself would give them in its first step."""
    for weight in weights or [weight for group in optimizer.param_groups for weight in group["params"]]:
        state = first_moments(name, weight)
        if name != "lion":
            device = weight.device if name == "adamw" else torch.device("cpu")  # as each of them has it
            state["step"] = torch.zeros((), dtype=torch.float32, device=device)
        optimizer.state[weight] = state


def first_moments(name: str, weight: torch.Tensor) -> dict[str, torch.Tensor]:
    """What the optimizer keeps of a weight, as it is before the first update. Adafactor keeps of a matrix the means of
    its rows and columns."""
    if name != "adafactor":
        return {key: torch.zeros_like(weight) for key in MOMENTS[name]}
    if not has_moment(name, "row_var", weight):
        return {"variance": torch.zeros_like(weight)}
    *outer, n_rows, n_columns = weight.shape
    return {"row_var": weight.new_zeros(*outer, n_rows, 1), "col_var": weight.new_zeros(*outer, 1, n_columns)}


def has_moment(name: str, key: str, weight: torch.Tensor) -> bool:
    """Whether the optimizer keeps this moment for a weight of this shape."""
    return name != "adafactor" or (key == "variance") == (weight.ndim < 2)


def lr_factor(done: int, total: int, warmup_frac: float, schedule: Schedule, power: float = 1.0) -> float:
    """Share of the peak rate for the update after `done` of `total` updates; as transformers' get_scheduler has it,
    with lr_end 0 for polynomial. power: the polynomial's exponent.

    A pure function of the step, so that a checkpoint needs no scheduler state.
    """
    warmup = math.ceil(total * warmup_frac)
    if done < warmup:
        return done / max(1, warmup)
    if schedule == "constant":
        return 1.0
    course = min(1.0, (done - warmup) / max(1, total - warmup))
    if schedule == "cosine":
        return 0.5 * (1.0 + math.cos(math.pi * course))
    return (1.0 - course) ** (power if schedule == "polynomial" else 1.0)


def set_lr(optimizer: torch.optim.Optimizer, done: int, total: int, settings: Training) -> float:
    """Set every group's rate for the next update; returns the rate of a group whose peak is the recipe's `lr`."""
    course = lr_factor(done, total, settings.warmup_frac, settings.schedule, settings.lr_power)
    factor = settings.lr_floor + (1.0 - settings.lr_floor) * course
    for group in optimizer.param_groups:
        group["lr"] = group["peak_lr"] * factor
    return settings.lr * factor
