"""Multi-sample dropout (Inoue 2019): the head's last layer under several dropout masks of the pooled vector at once.

In training z = reduce_k (W d_k(p) + c) over K masks d_k, `reduce` their sum (the original solution's) or mean. Without
dropout that is K (W p + c) or W p + c, which is what evaluation computes. Shapes: B pairs, H hidden, K masks.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

Reduce = Literal["sum", "mean"]


class MultiDropout(nn.Linear):
    """Takes a linear layer's place, with its weight and bias under their own names; the dropout before it must go."""

    def __init__(self, linear: nn.Linear, dropout: float, n_samples: int, reduce: Reduce):
        super().__init__(linear.in_features, linear.out_features, device="meta")
        self.weight, self.bias = linear.weight, linear.bias
        self.dropout, self.n_samples, self.reduce = dropout, n_samples, reduce

    def forward(self, pooled_BH: torch.Tensor) -> torch.Tensor:
        scale = self.scale
        if not self.training:
            return scale * super().forward(pooled_BH)
        masked_KBH = F.dropout(pooled_BH.expand(self.n_samples, *pooled_BH.shape), self.dropout)
        return scale * super().forward(masked_KBH).mean(0)

    @property
    def scale(self) -> int:
        """By what a plain linear layer's weight and bias must be multiplied to answer as this one does."""
        return self.n_samples if self.reduce == "sum" else 1
