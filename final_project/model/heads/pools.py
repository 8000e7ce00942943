"""Pools: how the hidden states of a pair become one vector.

All have one interface: pool(hidden_states, mask_BT, ids_BT) -> pooled, (B, width), in the type of the states.
hidden_states are those of the last `n_layers` layers, each (B, T, H), the lowest first; mask_BT is true at tokens;
[CLS] is at position 0; ids_BT are the token ids, which only some pools read. Means and weighted sums are taken in
float32 at least, also under autocast: 16-bit sums over a long text lose digits. Formulas: docs/NUMERICS.md.
Shapes: B pairs, T tokens, H hidden, L layers.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from final_project.errors import ArtifactError
from final_project.model.heads.over_tokens import (
    attended,
    in_full_precision,
    max_of_tokens,
    mean_of_tokens,
    min_of_tokens,
    number_spans,
    widened,
)


class Pool(nn.Module):
    """n_layers: how many layers' hidden states it needs. width: size of the pooled vector."""

    n_layers = 1
    options: tuple[str, ...] = ()
    """Names of what it is built with beside the encoder's size; their values are saved in head.json."""

    def __init__(self, hidden_size: int, n_layers: int):
        """n_layers: number of layers of the encoder."""
        super().__init__()
        self.width = hidden_size

    def adopt(self, pooler: nn.Module | None) -> None:
        """Start from the encoder's own pooler, where this pool has such a part and the encoder one of its shape."""


class MeanPool(Pool):
    """The mean over the tokens."""

    def forward(self, hidden_states: Sequence[Tensor], mask_BT: Tensor, ids_BT: Tensor | None = None) -> Tensor:
        return mean_of_tokens(hidden_states[-1], mask_BT)


class MaxPool(Pool):
    """The largest value of each unit over the tokens."""

    def forward(self, hidden_states: Sequence[Tensor], mask_BT: Tensor, ids_BT: Tensor | None = None) -> Tensor:
        return max_of_tokens(hidden_states[-1], mask_BT)


class MinPool(Pool):
    """The smallest value of each unit over the tokens."""

    def forward(self, hidden_states: Sequence[Tensor], mask_BT: Tensor, ids_BT: Tensor | None = None) -> Tensor:
        return min_of_tokens(hidden_states[-1], mask_BT)


class MeanMaxPool(Pool):
    """Mean and largest value, concatenated."""

    def __init__(self, hidden_size: int, n_layers: int):
        super().__init__(hidden_size, n_layers)
        self.width = 2 * hidden_size

    def forward(self, hidden_states: Sequence[Tensor], mask_BT: Tensor, ids_BT: Tensor | None = None) -> Tensor:
        last_BTH = hidden_states[-1]
        return torch.cat([mean_of_tokens(last_BTH, mask_BT), max_of_tokens(last_BTH, mask_BT)], dim=-1)


class MeanMaxMinPool(Pool):
    """Mean, largest and smallest value, concatenated."""

    def __init__(self, hidden_size: int, n_layers: int):
        super().__init__(hidden_size, n_layers)
        self.width = 3 * hidden_size

    def forward(self, hidden_states: Sequence[Tensor], mask_BT: Tensor, ids_BT: Tensor | None = None) -> Tensor:
        parts = (mean_of_tokens, max_of_tokens, min_of_tokens)
        return torch.cat([part(hidden_states[-1], mask_BT) for part in parts], dim=-1)


class AttentionPool(Pool):
    """The mean weighted by softmax_t(v . tanh(W h_t + b)) (Yang et al. 2016)."""

    def __init__(self, hidden_size: int, n_layers: int):
        super().__init__(hidden_size, n_layers)
        self.dense = nn.Linear(hidden_size, hidden_size)
        self.score = nn.Linear(hidden_size, 1, bias=False)

    def forward(self, hidden_states: Sequence[Tensor], mask_BT: Tensor, ids_BT: Tensor | None = None) -> Tensor:
        scores_BT = self.score(torch.tanh(self.dense(hidden_states[-1])))[..., 0]
        return attended(hidden_states[-1], scores_BT, mask_BT)


class AttentionMlpPool(Pool):
    """The mean weighted by softmax_t(w . gelu(LayerNorm(W h_t + b))). The score has no bias: softmax would cancel it,
    and its gradient would be rounding noise."""

    def __init__(self, hidden_size: int, n_layers: int):
        super().__init__(hidden_size, n_layers)
        self.dense = nn.Linear(hidden_size, hidden_size)
        self.norm = nn.LayerNorm(hidden_size, eps=1e-5)
        self.score = nn.Linear(hidden_size, 1, bias=False)

    def forward(self, hidden_states: Sequence[Tensor], mask_BT: Tensor, ids_BT: Tensor | None = None) -> Tensor:
        scores_BT = self.score(F.gelu(self.norm(self.dense(hidden_states[-1]))))[..., 0]
        return attended(hidden_states[-1], scores_BT, mask_BT)


class SpansPool(AttentionPool):
    """The mean within each sentence or paragraph, then the attention pool over these means.

    span_ends: ids of the tokens that end a span (span_ends.py). A run of them ends one span. Each token stands for the
    mean of its span, at the share of its span's weight, so no number of spans need be known.
    """

    options = ("span", "span_ends")

    def __init__(self, hidden_size: int, n_layers: int, span: str, span_ends: Sequence[int]):
        super().__init__(hidden_size, n_layers)
        if not span_ends or not all(isinstance(number, int) for number in span_ends):
            raise ArtifactError(f"the pool spans needs the ids of the tokens that end a {span}, found {span_ends}")
        self.span_ends = [*span_ends]

    def forward(self, hidden_states: Sequence[Tensor], mask_BT: Tensor, ids_BT: Tensor | None = None) -> Tensor:
        if ids_BT is None:
            raise ArtifactError("the pool spans finds the spans by the token ids: give it ids_BT")
        last_BTH = hidden_states[-1]
        spans_BT = number_spans(ids_BT, self.span_ends)
        is_same_BTT = (spans_BT[:, :, None] == spans_BT[:, None, :]) & mask_BT[:, None, :]
        with in_full_precision(last_BTH):
            wide_BTH = widened(last_BTH)
            weights_BTT = is_same_BTT.to(wide_BTH.dtype)
            sizes_BT = weights_BTT.sum(-1).clamp_min(1)  # 0 at padding behind the last span, which is not attended to
            means_BTH = (weights_BTT @ wide_BTH / sizes_BT[..., None]).to(last_BTH.dtype)
        scores_BT = self.score(torch.tanh(self.dense(means_BTH)))[..., 0]
        return attended(means_BTH, widened(scores_BT) - sizes_BT.log(), mask_BT)


class WeightedLayersPool(Pool):
    """[CLS] of all layers, with learned weights that start equal and sum to one (as in Peters et al. 2018)."""

    def __init__(self, hidden_size: int, n_layers: int):
        super().__init__(hidden_size, n_layers)
        self.n_layers = n_layers
        self.layer_scores = nn.Parameter(torch.zeros(n_layers))

    def forward(self, hidden_states: Sequence[Tensor], mask_BT: Tensor, ids_BT: Tensor | None = None) -> Tensor:
        return self.weighted([hidden_BTH[:, 0] for hidden_BTH in hidden_states])

    def weighted(self, vectors: Sequence[Tensor]) -> Tensor:
        """The weighted mean of one vector a layer, each (B, H)."""
        values_LBH = widened(torch.stack([*vectors]))
        with in_full_precision(values_LBH):
            pooled_BH = torch.einsum("l,lbh->bh", self.layer_scores.softmax(0).to(values_LBH.dtype), values_LBH)
        return pooled_BH.to(vectors[0].dtype)


class WeightedLayersMeanPool(WeightedLayersPool):
    """The mean over the tokens of all layers from layers_from on, weighted like WeightedLayersPool. Layers count from
    1; 0 is what the embeddings put out."""

    options = ("layers_from",)

    def __init__(self, hidden_size: int, n_layers: int, layers_from: int):
        if not 0 <= layers_from <= n_layers:
            raise ArtifactError(f"layers_from {layers_from}: the encoder has {n_layers} layers")
        super().__init__(hidden_size, n_layers - layers_from + 1)

    def forward(self, hidden_states: Sequence[Tensor], mask_BT: Tensor, ids_BT: Tensor | None = None) -> Tensor:
        return self.weighted([mean_of_tokens(hidden_BTH, mask_BT) for hidden_BTH in hidden_states])


class LastFourPool(Pool):
    """[CLS] of the last four layers, concatenated, the lowest first."""

    n_layers = 4

    def __init__(self, hidden_size: int, n_layers: int):
        super().__init__(hidden_size, n_layers)
        self.width = 4 * hidden_size
        if n_layers < self.n_layers:
            raise ArtifactError(f"the pool last_four needs an encoder of four layers or more, found {n_layers}")

    def forward(self, hidden_states: Sequence[Tensor], mask_BT: Tensor, ids_BT: Tensor | None = None) -> Tensor:
        return torch.cat([hidden_BTH[:, 0] for hidden_BTH in hidden_states], dim=-1)


class MeanAndClsPool(Pool):
    """Two branches: s (W1 mean + b1) + (1 - s) (W2 tanh(Wp h_[CLS] + bp) + b2), s = pool_share. The inner layer of the
    second branch starts as the encoder's own pooler, where that has one."""

    options = ("pool_width", "pool_share")

    def __init__(self, hidden_size: int, n_layers: int, pool_width: int, pool_share: float):
        super().__init__(hidden_size, n_layers)
        if pool_width < 1 or not 0 < pool_share < 1:
            raise ArtifactError(
                f"mean_and_cls needs a width of 1 or more and a share in 0..1, found {pool_width} and {pool_share}"
            )
        self.width, self.share = pool_width, pool_share
        self.pooler = nn.Linear(hidden_size, hidden_size)
        self.of_mean = nn.Linear(hidden_size, pool_width)
        self.of_cls = nn.Linear(hidden_size, pool_width)

    def adopt(self, pooler: nn.Module | None) -> None:
        inner = getattr(pooler, "dense", None)
        if isinstance(inner, nn.Linear) and inner.weight.shape == self.pooler.weight.shape:
            self.pooler.load_state_dict(inner.state_dict())

    def forward(self, hidden_states: Sequence[Tensor], mask_BT: Tensor, ids_BT: Tensor | None = None) -> Tensor:
        mean_BH = mean_of_tokens(hidden_states[-1], mask_BT)
        cls_BH = torch.tanh(self.pooler(hidden_states[-1][:, 0]))
        return self.share * self.of_mean(mean_BH) + (1 - self.share) * self.of_cls(cls_BH)


POOLS: dict[str, type[Pool]] = {
    "mean": MeanPool,
    "max": MaxPool,
    "min": MinPool,
    "mean_max": MeanMaxPool,
    "mean_max_min": MeanMaxMinPool,
    "mean_and_cls": MeanAndClsPool,
    "attention": AttentionPool,
    "attention_mlp": AttentionMlpPool,
    "spans": SpansPool,
    "weighted_layers": WeightedLayersPool,
    "weighted_layers_mean": WeightedLayersMeanPool,
    "last_four": LastFourPool,
}
