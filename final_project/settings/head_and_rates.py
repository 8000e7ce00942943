"""Settings of what fine-tuning trains: the head on the encoder, what stays frozen, which weight at which rate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Any, Literal

from final_project.settings.section import ORIGINAL_MEANS_PUBLISHED, Section, setting
from final_project.settings.training import Training

Pool = Literal[
    "cls", "mean", "max", "min", "mean_max", "mean_max_min", "mean_and_cls", "attention", "attention_mlp", "spans",
    "weighted_layers", "weighted_layers_mean", "last_four",
]  # fmt: skip
POOL_OPTIONS: dict[str, Pool] = {
    "layers_from": "weighted_layers_mean", "pool_width": "mean_and_cls", "pool_share": "mean_and_cls", "span": "spans",
}  # fmt: skip
"""Setting -> the one pool that reads it."""


class HeadAndRates(Training):
    """The part of similarity_v0 that builds the model and its groups of weights."""

    pool: Pool = setting(
        "cls", "how the hidden states become one vector; cls = BERT's head, saved as transformers' own", common=True
    )
    layers_from: int = setting(
        1, "lowest layer that is averaged; layers count from 1, 0 = the embeddings (pool: weighted_layers_mean)",
        "layer", ge=0,
    )  # fmt: skip
    pool_width: int = setting(128, "size of both branches' vectors (pool: mean_and_cls)", "units", ge=1, le=65536)
    pool_share: float = setting(0.5, "share of the mean's branch (pool: mean_and_cls)", "fraction", gt=0, lt=1)
    span: Literal["sentence", "paragraph"] = setting(
        "sentence", "what a span is: a sentence, or what line breaks or [BR] tokens part (pool: spans)"
    )
    n_outputs: Literal[1, 2] = setting(2, "outputs of the head: two classes, or one through a sigmoid", "logits")
    head_dropout: float | None = setting(
        None, "dropout probability before the last layer; null = the encoder's", "fraction", ge=0, lt=1
    )
    encoder_dropout: float | None = setting(
        None, "dropout probability in the encoder's hidden states and attention; null = as its config.json says",
        "fraction", ge=0, lt=1,
    )  # fmt: skip
    multi_dropout_samples: int = setting(1, "dropout masks on the pooled vector; 1 = plain dropout", "masks", ge=1)
    multi_dropout_reduce: Literal["sum", "mean"] = setting(
        "mean", "how the logits of these masks are combined; the published solution takes the sum"
    )
    freeze_embeddings: bool = setting(False, "do not train the embeddings")
    freeze_layers: int = setting(0, "lowest layers of the encoder that are not trained", "layers", ge=0)
    reinit_layers: int = setting(
        0, "top layers of the encoder that start with new random weights, and its pooler with them", "layers", ge=0
    )
    lr_groups: Annotated[Literal["flat", "thirds", "published", "decay"], ORIGINAL_MEANS_PUBLISHED] = setting(
        "flat",
        "learning rates by layer. flat: lr everywhere. thirds: lr/2.6, lr, lr*2.6 in the lower, middle, upper third. "
        "published: thirds of layers 0-11, lr above. decay: lr * lr_decay^(number of layers above)",
    )
    lr_decay: float = setting(0.95, "ratio of a layer's rate to that of the layer above (lr_groups: decay)", gt=0, le=1)
    head_lr_factor: float = setting(
        1.0, "rate of the head's last layer, as a multiple of lr (lr_groups other than flat)", gt=0, le=1000
    )
    lr_patterns: list[str] = setting(
        [], "rates of single weights, each pattern=factor: a glob over weight names and a multiple of lr", "names"
    )

    head_weight_decay: float | None = setting(
        None,
        "weight decay of the head's matrices: pooler or pool, and last layer; null = weight_decay",
        ge=0,
        le=1,
    )
    lora_rank: int = setting(
        0, "LoRA: rank of the matrices that are trained beside the encoder's frozen ones; 0 = the encoder is trained",
        "rows", ge=0, le=4096,
    )  # fmt: skip
    lora_alpha: float = setting(
        16.0, "LoRA: what is added is multiplied by alpha/rank (lora_variant: rslora: by alpha/sqrt(rank))", gt=0
    )
    lora_dropout: float = setting(0.0, "LoRA: dropout probability before the trained matrices", "fraction", ge=0, lt=1)
    lora_targets: list[str] = setting(
        ["query", "value"], "LoRA: the linear layers of each layer that get such matrices; last parts of their names",
        "names",
    )  # fmt: skip
    lora_variant: Literal["plain", "rslora", "dora"] = setting(
        "plain", "LoRA: plain; rslora: scaled by sqrt(rank); dora: trains the length of each row as well"
    )
    lora_lr_factor: float = setting(1.0, "LoRA: rate of its matrices, as a multiple of lr", gt=0, le=1000)

    def conflicts(self) -> Iterator[str]:
        yield from super().conflicts()
        for name, pool in POOL_OPTIONS.items():
            if self.pool != pool and (value := getattr(self, name)) != default_of(self, name):
                yield f"{name}: {value} has no effect with pool: {self.pool}; it belongs to pool {pool}"
        yield from self._lora_conflicts()
        if self.lr_groups == "flat" and self.head_lr_factor != 1:
            yield (
                f"head_lr_factor: {self.head_lr_factor} has no effect with lr_groups: flat; use thirds, published or "
                "decay"
            )
        for entry in self.lr_patterns:
            pattern, _, factor = entry.rpartition("=")
            if not pattern or not _is_positive(factor):
                yield f"lr_patterns: expected pattern=factor with a factor above 0, found {entry!r}"

    def _lora_conflicts(self) -> Iterator[str]:
        if not self.lora_rank:
            for name in ("lora_alpha", "lora_dropout", "lora_targets", "lora_variant", "lora_lr_factor"):
                if (value := getattr(self, name)) != default_of(self, name):
                    yield f"{name}: {value} has no effect with lora_rank: 0; set a rank of 1 or more"
            return
        for name in ("freeze_embeddings", "freeze_layers"):
            if value := getattr(self, name):
                yield (
                    f"{name}: {str(value).lower()} has no effect with lora_rank: {self.lora_rank}, which freezes the "
                    "whole encoder"
                )
        if self.reinit_layers:
            yield (
                f"reinit_layers: {self.reinit_layers} would stay random with lora_rank: {self.lora_rank}, which "
                "freezes the encoder; use one of the two"
            )
        if not self.lora_targets or "" in self.lora_targets:
            yield f"lora_targets: {self.lora_targets} with lora_rank: {self.lora_rank}: name at least one linear layer"


def default_of(section: Section, name: str) -> Any:
    return type(section).model_fields[name].default


def _is_positive(text: str) -> bool:
    try:
        return 0 < float(text) < math.inf
    except ValueError:
        return False
