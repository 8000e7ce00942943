"""Multi-sample dropout (Inoue 2019): the head's last layer under several dropout masks of the pooled vector at once.

In training z = reduce_k (W d_k(p) + c) over K masks d_k, `reduce` their sum (as published) or mean. Without
dropout that is K (W p + c) or W p + c, which is what evaluation computes. Shapes: B pairs, H hidden, K masks.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn
from torch.nn import functional as F

Reduce = Literal["sum", "mean"]


class MultiDropout(nn.Linear):
    """Replaces a linear layer and keeps the names of its weight and bias; remove the dropout before it."""

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
        """Factor to fold into a plain nn.Linear so that it gives the same logits."""
        return self.n_samples if self.reduce == "sum" else 1
