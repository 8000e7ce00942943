"""The options of every attribution method, said once: with their types, defaults and bounds.

A method of `similarity_v1/explain/methods` inherits its class here, the recipe's settings take names, choices and
bounds from it, and the commands take theirs from the settings. The core holds them because it imports no stage.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, Literal

from final_project.option_checks import MOST_SEEDS, Options, option

Baseline = Literal["zero", "mask", "pad"]
Reduce = Literal["l2", "sum"]
PathRule = Literal["right", "midpoint", "gauss_legendre", "adaptive"]
MethodName = Literal[
    "gradient_x_input", "integrated_gradients", "smooth_grad", "grad_shap", "deep_lift", "attention",
    "attention_rollout", "leave_one_out", "lime", "kernel_shap", "random",
]  # fmt: skip


@dataclass(frozen=True)
class GradientOptions(Options):
    reduce: Reduce = "l2"


@dataclass(frozen=True)
class PathOptions(Options):
    steps: int = option(50, ge=1, le=1000)
    rule: PathRule = "adaptive"
    tolerance: float | None = option(None, gt=0, le=1)
    baseline: Baseline = "zero"
    reduce: Reduce = "l2"

    def problems(self) -> Iterator[str]:
        yield from super().problems()
        if self.tolerance is not None and self.rule != "adaptive":
            yield f"tolerance: takes the rule adaptive, found {self.rule!r}"


@dataclass(frozen=True)
class SmoothGradOptions(Options):
    samples: int = option(20, ge=2, le=100_000)
    noise: float = option(0.15, ge=0, le=10)
    reduce: Reduce = "l2"
    seed: int = option(0, ge=0, le=MOST_SEEDS)


@dataclass(frozen=True)
class GradShapOptions(Options):
    samples: int = option(20, ge=2, le=100_000)
    noise: float = option(0.05, ge=0, le=10)
    baseline: Baseline = "zero"
    reduce: Reduce = "l2"
    seed: int = option(0, ge=0, le=MOST_SEEDS)


@dataclass(frozen=True)
class DeepLiftOptions(Options):
    baseline: Baseline = "zero"
    reduce: Reduce = "l2"


@dataclass(frozen=True)
class LeaveOneOutOptions(Options):
    baseline: Baseline = "mask"


@dataclass(frozen=True)
class LeftOutOptions(Options):
    samples: int = option(200, ge=2, le=100_000)
    baseline: Baseline = "mask"
    seed: int = option(0, ge=0, le=MOST_SEEDS)


@dataclass(frozen=True)
class RandomOptions(Options):
    seed: int = option(0, ge=0, le=MOST_SEEDS)


METHOD_OPTIONS: dict[MethodName, type[Options]] = {
    "gradient_x_input": GradientOptions,
    "integrated_gradients": PathOptions,
    "smooth_grad": SmoothGradOptions,
    "grad_shap": GradShapOptions,
    "deep_lift": DeepLiftOptions,
    "attention": Options,
    "attention_rollout": Options,
    "leave_one_out": LeaveOneOutOptions,
    "lime": LeftOutOptions,
    "kernel_shap": LeftOutOptions,
    "random": RandomOptions,
}
# option -> setting, if they differ
SETTING_NAMES = {"steps": "ig_steps", "rule": "ig_rule", "tolerance": "ig_tolerance"}
PYTHON_ALONE = {"seed"}  # options that no setting has


def setting_names(method: MethodName) -> tuple[str, ...]:
    """The settings of a recipe that are options of a method, in the order of its fields."""
    return tuple(SETTING_NAMES.get(one.name, one.name) for one in fields(METHOD_OPTIONS[method])
                 if one.name not in PYTHON_ALONE)  # fmt: skip


def bounds_of_option(options: type[Options], name: str) -> dict[str, Any]:
    """The bounds of one option: ge, gt, le."""
    return next(dict(one.metadata) for one in fields(options) if one.name == name)
