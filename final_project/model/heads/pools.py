"""Pools: how the hidden states of a pair become one vector.

All have one interface: pool(hidden_states, mask_BT) -> pooled, (B, width). hidden_states are those of the last
`n_layers` layers, each (B, T, H), the lowest first; mask_BT is true at tokens; [CLS] is at position 0.
Shapes: B pairs, T tokens, H hidden, L layers.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from final_project.errors import ArtifactError


class Pool(nn.Module):
    """n_layers: how many layers' hidden states it needs. width: size of the pooled vector."""

    n_layers = 1

    def __init__(self, hidden_size: int, n_layers: int):
        """n_layers: number of layers of the encoder."""
        super().__init__()
        self.width = hidden_size


class MeanPool(Pool):
    """The mean over the tokens."""

    def forward(self, hidden_states: Sequence[Tensor], mask_BT: Tensor) -> Tensor:
        weights_BT1 = mask_BT[..., None].to(hidden_states[-1].dtype)
        return (hidden_states[-1] * weights_BT1).sum(1) / weights_BT1.sum(1)


class MaxPool(Pool):
    """The largest value of each unit over the tokens."""

    def forward(self, hidden_states: Sequence[Tensor], mask_BT: Tensor) -> Tensor:
        return hidden_states[-1].masked_fill(~mask_BT[..., None], -torch.inf).amax(1)


class AttentionPool(Pool):
    """The mean weighted by softmax_t(v . tanh(W h_t + b)) (Yang et al. 2016)."""

    def __init__(self, hidden_size: int, n_layers: int):
        super().__init__(hidden_size, n_layers)
        self.dense = nn.Linear(hidden_size, hidden_size)
        self.score = nn.Linear(hidden_size, 1, bias=False)

    def forward(self, hidden_states: Sequence[Tensor], mask_BT: Tensor) -> Tensor:
        scores_BT = self.score(torch.tanh(self.dense(hidden_states[-1])))[..., 0]
        weights_BT = scores_BT.masked_fill(~mask_BT, -torch.inf).softmax(-1)
        return torch.einsum("bt,bth->bh", weights_BT.to(hidden_states[-1].dtype), hidden_states[-1])


class WeightedLayersPool(Pool):
    """[CLS] of all layers, with learned weights that start equal and sum to one (as in Peters et al. 2018)."""

    def __init__(self, hidden_size: int, n_layers: int):
        super().__init__(hidden_size, n_layers)
        self.n_layers = n_layers
        self.layer_scores = nn.Parameter(torch.zeros(n_layers))

    def forward(self, hidden_states: Sequence[Tensor], mask_BT: Tensor) -> Tensor:
        cls_LBH = torch.stack([hidden_BTH[:, 0] for hidden_BTH in hidden_states])
        return torch.einsum("l,lbh->bh", self.layer_scores.softmax(0).to(cls_LBH.dtype), cls_LBH)


class LastFourPool(Pool):
    """[CLS] of the last four layers, concatenated, the lowest first."""

    n_layers = 4

    def __init__(self, hidden_size: int, n_layers: int):
        super().__init__(hidden_size, n_layers)
        self.width = 4 * hidden_size
        if n_layers < self.n_layers:
            raise ArtifactError(f"the pool last_four needs an encoder of four layers or more, found {n_layers}")

    def forward(self, hidden_states: Sequence[Tensor], mask_BT: Tensor) -> Tensor:
        return torch.cat([hidden_BTH[:, 0] for hidden_BTH in hidden_states], dim=-1)


POOLS: dict[str, type[Pool]] = {
    "mean": MeanPool,
    "max": MaxPool,
    "attention": AttentionPool,
    "weighted_layers": WeightedLayersPool,
    "last_four": LastFourPool,
}
