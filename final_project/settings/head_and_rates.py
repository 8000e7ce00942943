"""Settings of what fine-tuning trains: the head on the encoder, what stays frozen, which weight at which rate."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Annotated, Literal

from final_project.settings.section import ORIGINAL_MEANS_PUBLISHED, setting
from final_project.settings.training import Training

Pool = Literal["cls", "mean", "max", "attention", "weighted_layers", "last_four"]


class HeadAndRates(Training):
    """The part of similarity_v0 that builds the model and its groups of weights."""

    pool: Pool = setting(
        "cls", "how the hidden states become one vector; cls = BERT's head, saved as transformers' own", common=True
    )
    n_outputs: Literal[1, 2] = setting(2, "outputs of the head: two classes, or one through a sigmoid", "logits")
    head_dropout: float | None = setting(
        None, "dropout probability before the last layer; null = the encoder's", "fraction", ge=0, lt=1
    )
    multi_dropout_samples: int = setting(1, "dropout masks on the pooled vector; 1 = plain dropout", "masks", ge=1)
    multi_dropout_reduce: Literal["sum", "mean"] = setting(
        "mean", "how the logits of these masks are combined; the published solution takes the sum"
    )
    freeze_embeddings: bool = setting(False, "do not train the embeddings")
    freeze_layers: int = setting(0, "lowest layers of the encoder that are not trained", "layers", ge=0)
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

    def conflicts(self) -> Iterator[str]:
        yield from super().conflicts()
        if self.lr_groups == "flat" and self.head_lr_factor != 1:
            yield (
                f"head_lr_factor: {self.head_lr_factor} has no effect with lr_groups: flat; use thirds, published or "
                "decay"
            )
        for entry in self.lr_patterns:
            pattern, _, factor = entry.rpartition("=")
            if not pattern or not _is_positive(factor):
                yield f"lr_patterns: expected pattern=factor with a factor above 0, found {entry!r}"


def _is_positive(text: str) -> bool:
    try:
        return 0 < float(text) < math.inf
    except ValueError:
        return False
