"""Attribution methods by name, all under the interface of methods/base.py."""

from __future__ import annotations

import dataclasses
import difflib
from typing import Any

from final_project.errors import RecipeError
from similarity_v1.methods.attention import Attention, AttentionRollout
from similarity_v1.methods.base import Method, Scores
from similarity_v1.methods.deep_lift import DeepLift
from similarity_v1.methods.gradients import GradientTimesInput, IntegratedGradients
from similarity_v1.methods.left_out import KernelShap, LeaveOneOut, Lime
from similarity_v1.methods.noise import GradShap, SmoothGrad
from similarity_v1.methods.random_scores import RandomScores

__all__ = ["METHODS", "Method", "Scores", "method_named"]

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


def method_named(name: str, **options: Any) -> Method:
    """A method with its options; raises RecipeError where there is no such method, or it has no such option."""
    if name not in METHODS:
        close = difflib.get_close_matches(name, METHODS, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        raise RecipeError([f"no attribution method {name!r}{hint} (there are {', '.join(METHODS)})"])
    known = [field.name for field in dataclasses.fields(METHODS[name])]
    if strange := sorted(set(options) - set(known)):
        raise RecipeError(
            [f"{name} has no option {option!r} (it has {', '.join(known) or 'none'})" for option in strange]
        )
    return METHODS[name](**options)
