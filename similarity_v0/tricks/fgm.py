"""Fast gradient method on the word embeddings (Miyato et al. 2017): a second loss where the first one hurts most.

r = eps * G / ||G||_F, G the gradient of the loss with respect to the word-embedding weight, padding row zero. The loss
is taken again at E + r, and its gradient added to the clean one.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from similarity_v0.tricks.attack import EmbeddingAttack, of_length


class Fgm(EmbeddingAttack):
    """direction "micro_batch": G comes from this micro-batch's clean loss. "accumulated": G is all that the passes of
    this step have left in the weight's gradient so far on this rank, as in the original solution."""

    shares = (1.0,)

    def __init__(
        self, embedding: nn.Embedding, eps: float, direction: Literal["micro_batch", "accumulated"] = "micro_batch"
    ):
        super().__init__(embedding, eps)
        self._keeps_sum = direction == "accumulated"
        self._sum_VH: torch.Tensor | None = None

    def begin_step(self) -> None:
        self._sum_VH = None

    def perturbation(self) -> torch.Tensor:
        """r[input_ids], (B, T, H); zero where the gradient vanishes or is not finite."""
        if not self._keeps_sum:
            G_UH, rows_BT = self.gradient_by_token()
            return of_length(self._eps, G_UH)[rows_BT]
        G_VH = self._sum_VH.clone()
        if self._embedding.padding_idx is not None:
            G_VH[self._embedding.padding_idx] = 0.0
        return of_length(self._eps, G_VH)[self._ids_BT]

    def note(self, gradient_BTH: torch.Tensor) -> None:
        super().note(gradient_BTH)
        if self._keeps_sum:
            if self._sum_VH is None:
                self._sum_VH = gradient_BTH.new_zeros(self._embedding.num_embeddings, self._embedding.embedding_dim)
            self._sum_VH.index_add_(0, self._ids_BT.flatten(), self._gradient_BTH.flatten(0, 1))
