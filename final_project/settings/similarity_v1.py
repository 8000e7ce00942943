"""Settings of similarity_v1."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from pydantic import Field

from final_project.settings.section import Section, setting

# what each way of scoring words can be told, beside the target
OPTIONS = {
    "gradient_x_input": ("reduce",),
    "integrated_gradients": ("ig_steps", "ig_rule", "ig_tolerance", "baseline", "reduce"),
    "smooth_grad": ("samples", "noise", "reduce"),
    "grad_shap": ("samples", "noise", "baseline", "reduce"),
    "deep_lift": ("baseline", "reduce"),
    "attention": (),
    "attention_rollout": (),
    "leave_one_out": ("baseline",),
    "lime": ("samples", "baseline"),
    "kernel_shap": ("samples", "baseline"),
    "random": (),
}
MethodName = Literal[
    "gradient_x_input", "integrated_gradients", "smooth_grad", "grad_shap", "deep_lift", "attention",
    "attention_rollout", "leave_one_out", "lime", "kernel_shap", "random",
]  # fmt: skip


class SimilarityV1(Section):
    """Rationales: attribution, selection, refinement, submission, report."""

    method: MethodName = setting("gradient_x_input", "how words are scored")
    ig_steps: int = setting(1, "points on the path of integrated gradients", "steps", ge=1, le=1000)
    ig_rule: Literal["right", "midpoint", "gauss_legendre", "adaptive"] = setting(
        "right", "where they lie; right is the original's sum, adaptive the most exact: where the model's answer moves"
    )
    ig_tolerance: float | None = setting(
        None,
        "completeness error that is allowed, to the rise of the answer: each row takes as many more steps as it needs, "
        "up to 2000; null: no more than ig_steps",
        "share",
        gt=0,
        le=1,
    )
    baseline: Literal["zero", "mask", "pad"] | None = setting(
        None, "what stands for a word that is not there; null: zero for gradients, mask where words are left out"
    )
    reduce: Literal["l2", "sum"] = setting("l2", "from a gradient's hidden dimensions to one score; sum is signed")
    samples: int | None = setting(
        None, "noisy copies, or choices of words left out; null: 20 and 200", "samples", ge=2, le=100_000
    )
    noise: float | None = setting(
        None,
        "standard deviation of noise, to that of the embeddings; null: 0.15 in smooth_grad, 0.05 in grad_shap",
        "share",
        ge=0,
        le=10,
    )
    target: Literal["predicted", "both"] | Annotated[int, Field(ge=0)] = setting(
        "predicted", "what is explained: the decided class, a class by number, or both against each other"
    )
    precision: Literal["fp32", "bf16"] = setting("fp32", "arithmetic of the model while it is explained")
    ratio: float = setting(0.705, "share of the words chosen in each sentence", "share", gt=0, le=1)
    select: Literal["ratio", "top_k", "threshold", "mass"] = setting(
        "ratio", "how many words are chosen: a share of them, a number, by score, or by share of all score"
    )
    top_k: int = setting(5, "words chosen in each sentence, for select top_k", "words", ge=1)
    score_share: float = setting(
        0.5, "least share of the sentence's highest score, for select threshold", "share", gt=0, le=1
    )
    mass_share: float = setting(0.8, "share of the sentence's score that is held, for select mass", "share", gt=0, le=1)
    chain: Literal["original", "clean"] | None = setting(
        None,
        "which refined file comes first; null: original for rows of a contest or the demo, clean for other pairs",
    )
    clean_order: Literal["stable", "importance"] = setting(
        "stable", "shared words in the clean chain: one order in all sentences, or the model's own"
    )
    batch_tokens: int | None = setting(
        None,
        "most tokens in one pass of the model, padding included; null: 1024 on a CPU, 16384 on CUDA",
        "tokens",
        ge=64,
    )
    shard_rows: int = setting(512, "rows of a unit of work, the most that a kill costs a process", "rows", ge=1)
    threads: int = setting(
        1, "CPU threads of a process: their number may change last digits, that of the processes does not", "threads",
        ge=1, le=1024,
    )  # fmt: skip
    report_pairs: int = setting(20_000, "most pairs listed in the report, evenly spread", "pairs", ge=0)

    def conflicts(self) -> Iterator[str]:
        if self.method == "gradient_x_input" and self.ig_steps != 1:
            yield f"gradient_x_input has one step, found ig_steps {self.ig_steps}: use integrated_gradients"
            return
        if self.ig_tolerance is not None and self.method == "integrated_gradients" and self.ig_rule != "adaptive":
            yield f"ig_tolerance takes ig_rule adaptive, found {self.ig_rule}"
        for name in dict.fromkeys(name for options in OPTIONS.values() for name in options):
            if name not in OPTIONS[self.method] and getattr(self, name) != type(self).model_fields[name].default:
                yield f"{self.method} knows no {name}, found {getattr(self, name)}"
