"""Settings of what fine-tuning trains: the head on the encoder, what stays frozen, which weight at which rate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

from final_project.settings.section import setting
from final_project.settings.training import Training

Pool = Literal["cls", "mean", "max", "attention", "weighted_layers", "last_four"]


class HeadAndRates(Training):
    """The part of similarity_v0 that builds the model and its groups of weights."""

    pool: Pool = setting("cls", "how hidden states become one vector; cls is BERT's own and stays a standard folder")
    n_outputs: Literal[1, 2] = setting(2, "logits of the head: two classes, or one target through a sigmoid", "logits")
    head_dropout: float | None = setting(None, "dropout before the last layer; null = the encoder's", ge=0, lt=1)
    multi_dropout_samples: int = setting(1, "dropout masks on the pooled vector; 1 = plain dropout", "masks", ge=1)
    multi_dropout_reduce: Literal["sum", "mean"] = setting(
        "mean", "what becomes of the logits under these masks; sum is the original's"
    )
    freeze_embeddings: bool = setting(False, "leave the embeddings as they are")
    freeze_layers: int = setting(0, "lowest layers of the encoder that are left as they are", "layers", ge=0)
    lr_groups: Literal["flat", "thirds", "original", "decay"] = setting(
        "flat",
        "rates of the layers: all lr; lower third lr/2.6, upper third lr*2.6; the same for layers 0-11 alone, those "
        "above at lr, as the original; or lr * lr_decay^(layers above)",
    )
    lr_decay: float = setting(0.95, "factor from each layer to the one below it (lr_groups: decay)", gt=0, le=1)
    head_lr_factor: float = setting(1.0, "the last layer's rate over lr (all lr_groups but flat)", gt=0, le=1000)
    lr_patterns: list[str] = setting(
        [], "rates of chosen weights, each `pattern=factor`: a glob over weight names, and its rate over lr", "names"
    )

    def conflicts(self) -> Iterator[str]:
        yield from super().conflicts()
        if self.lr_groups == "flat" and self.head_lr_factor != 1:
            yield f"head_lr_factor {self.head_lr_factor} is for lr_groups thirds, original or decay; found flat"
        for entry in self.lr_patterns:
            pattern, _, factor = entry.rpartition("=")
            if not pattern or not _is_positive(factor):
                yield f"lr_patterns: expected pattern=factor with a factor above 0, found {entry!r}"


def _is_positive(text: str) -> bool:
    try:
        return 0 < float(text) < math.inf
    except ValueError:
        return False
