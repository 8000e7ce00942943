"""Settings of similarity_v1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from final_project.method_options import (
    METHOD_OPTIONS,
    Baseline,
    LeftOutOptions,
    MethodName,
    PathOptions,
    PathRule,
    Reduce,
    SmoothGradOptions,
    bounds_of_option,
    setting_names,
)
from final_project.settings.section import ORIGINAL_MEANS_PUBLISHED, Section, setting

OPTIONS = {name: setting_names(name) for name in METHOD_OPTIONS}  # of each attribution method, besides the target


class SimilarityV1(Section):
    """Rationales: attribution, selection, refinement, submission, report."""

    method: MethodName = setting("gradient_x_input", "attribution method: how words are scored", common=True)
    ig_steps: int = setting(
        1, "integrated gradients: points on the path; more are more exact", "steps", common=True,
        **bounds_of_option(PathOptions, "steps"),
    )  # fmt: skip
    ig_rule: PathRule = setting(
        "right",
        "integrated gradients: where the points lie. right: the published solution's Riemann sum. adaptive: the most "
        "exact, more points where the model's answer changes",
    )
    ig_tolerance: float | None = setting(
        None,
        "Largest completeness error, as a fraction of |F(text) - F(baseline)|. Steps are added per row until it is met "
        "(at most 2000). null: exactly ig_steps.",
        "fraction",
        **bounds_of_option(PathOptions, "tolerance"),
    )
    baseline: Baseline | None = setting(
        None,
        "what replaces an absent word: a zero vector, [MASK] or [PAD]; null = zero for gradient methods, mask for "
        "methods that leave words out",
        common=True,
    )
    reduce: Reduce = setting(
        "l2", "how a gradient's hidden dimensions become one score: norm (never negative), or signed sum"
    )
    samples: int | None = setting(
        None,
        "noisy copies of a row (null = 20), or masks of left-out words in lime and kernel_shap (null = 200)",
        "samples",
        **bounds_of_option(LeftOutOptions, "samples"),
    )
    noise: float | None = setting(
        None,
        "standard deviation of the noise, as a fraction of the embeddings'; null = 0.15 in smooth_grad, 0.05 in "
        "grad_shap",
        "fraction",
        **bounds_of_option(SmoothGradOptions, "noise"),
    )
    target: Literal["predicted", "both"] | Annotated[int, Field(ge=0)] | str = setting(
        "predicted",
        "what is explained: predicted (the decided class), a class by its number, or both against each other; of "
        "scores one by its name or number, or all",
    )
    precision: Literal["fp32", "bf16"] = setting(
        "fp32", "compute dtype of the model while it is explained", common=True
    )
    ratio: float = setting(
        0.705, "fraction of the words chosen in each sentence (select: ratio)", "fraction", common=True, gt=0, le=1
    )
    select: Literal["ratio", "top_k", "threshold", "mass"] = setting(
        "ratio", "how words are chosen: a fraction of them, a number, by score, or by fraction of the total score",
        common=True,
    )  # fmt: skip
    top_k: int = setting(5, "words chosen in each sentence (select: top_k)", "words", common=True, ge=1)
    score_share: float = setting(
        0.5, "lowest score chosen, as a fraction of the sentence's highest (select: threshold)", "fraction", gt=0, le=1
    )
    mass_share: float = setting(
        0.8, "fraction of the sentence's total score that the chosen words reach (select: mass)", "fraction", gt=0, le=1
    )
    chain: Annotated[Literal["published", "clean"] | None, ORIGINAL_MEANS_PUBLISHED] = setting(
        None,
        "chain handed in or shown first. published: f1, f2, f3 of the published solution, which copy answers between "
        "rows. clean: copies nothing. null: published for rows of a contest or the demo, clean for other pairs",
        common=True,
    )
    clean_order: Literal["stable", "importance"] = setting(
        "stable", "order of shared words in the clean chain: the same in all sentences, or by the model's scores"
    )
    batch_tokens: int | None = setting(
        None,
        "most tokens in one forward pass, padding included; null = 1024 on a CPU, 16384 on CUDA",
        "tokens",
        common=True,
        ge=64,
    )
    shard_rows: int = setting(
        512, "rows saved at a time: the most work that an interrupted process loses", "rows", ge=1
    )
    threads: int = setting(
        1, "CPU threads of a process; unlike the number of processes it may change the last digits of scores",
        "threads", common=True, ge=1, le=1024,
    )  # fmt: skip
    report_pairs: int = setting(
        20_000, "most pairs listed in the report, evenly spread over the rows", "pairs", common=True, ge=0
    )

    def conflicts(self) -> Iterator[str]:
        if self.method == "gradient_x_input" and self.ig_steps != 1:
            yield f"ig_steps: {self.ig_steps} needs method: integrated_gradients; method: {self.method} has one step"
            return
        if self.ig_tolerance is not None and self.method == "integrated_gradients" and self.ig_rule != "adaptive":
            yield f"ig_tolerance: {self.ig_tolerance:g} needs ig_rule: adaptive, found ig_rule: {self.ig_rule}"
        for name in dict.fromkeys(name for options in OPTIONS.values() for name in options):
            if name not in OPTIONS[self.method] and getattr(self, name) != type(self).model_fields[name].default:
                yield f"{name}: {getattr(self, name)} is not an option of method: {self.method}"
