"""Attribution methods by name, all under the interface of methods/method.py."""

from __future__ import annotations

import dataclasses
from typing import Any

from final_project.errors import RecipeError
from final_project.option_checks import hint
from similarity_v1.explain.methods.attention import Attention, AttentionRollout
from similarity_v1.explain.methods.deep_lift import DeepLift
from similarity_v1.explain.methods.gradients import GradientTimesInput, IntegratedGradients
from similarity_v1.explain.methods.left_out import KernelShap, LeaveOneOut, Lime
from similarity_v1.explain.methods.method import Method, Scores
from similarity_v1.explain.methods.noise import GradShap, SmoothGrad
from similarity_v1.explain.methods.random_scores import RandomScores

__all__ = ["METHODS", "Method", "Scores", "method_named", "option_names"]

METHODS: dict[str, type[Method]] = {
    "gradient_x_input": GradientTimesInput,
    "integrated_gradients": IntegratedGradients,
    "smooth_grad": SmoothGrad,
    "grad_shap": GradShap,
    "deep_lift": DeepLift,
    "attention": Attention,
    "attention_rollout": AttentionRollout,
    "leave_one_out": LeaveOneOut,
    "lime": Lime,
    "kernel_shap": KernelShap,
    "random": RandomScores,
}


def option_names(name: str) -> list[str]:
    """The options of a method: the fields of its dataclass."""
    method: Any = METHODS[name]  # a Protocol cannot say that its classes are dataclasses
    return [field.name for field in dataclasses.fields(method)]


def method_named(name: str, **options: Any) -> Method:
    """A method with its options; raises RecipeError where there is no such method, and one that lists all options that
    it does not have and all values that it does not take."""
    if name not in METHODS:
        raise RecipeError([f"no attribution method {name!r}{hint(name, METHODS)} (there are {', '.join(METHODS)})"])
    known = option_names(name)
    problems = [
        f"{name} has no option {option!r}{hint(option, known)} (it has {', '.join(known) or 'none'})"
        for option in sorted(set(options) - set(known))
    ]
    try:
        method = METHODS[name](**{option: value for option, value in options.items() if option in known})
    except RecipeError as error:
        problems += error.problems
    if problems:
        raise RecipeError(problems)
    return method
