"""Fast gradient method on the word embeddings (Miyato et al. 2017): a second loss at the worst nearby point.

r = eps * G / ||G||_F, where G is the gradient of the loss with respect to the word-embedding weight E, padding row
zero. The loss is computed again at E + r, and its gradient is added to the clean one.
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import nn

from similarity_v0.tricks.attack import AdversarialPass, EmbeddingAttack, scale_to_length


class Fgm(EmbeddingAttack):
    """direction "micro_batch": G is the gradient of this micro-batch's clean loss. "accumulated": G is what this
    rank has accumulated over all passes of the step so far, as in the published solution."""

    passes = (AdversarialPass(),)

    def __init__(
        self, embedding: nn.Embedding, eps: float, direction: Literal["micro_batch", "accumulated"] = "micro_batch"
    ):
        super().__init__(embedding, eps)
        self._keeps_sum = direction == "accumulated"
        self._sum_VH: torch.Tensor | None = None

    def begin_step(self) -> None:
        self._sum_VH = None

    def perturbation(self) -> torch.Tensor:
        """r[input_ids], (B, T, H); zero if the gradient is 0 or not finite."""
        if not self._keeps_sum:
            G_UH, rows_BT = self.gradient_by_token()
            return scale_to_length(self._eps, G_UH)[rows_BT]
        assert self._sum_VH is not None, "no gradient has been recorded"
        G_VH = self._sum_VH.clone()
        if self._embedding.padding_idx is not None:
            G_VH[self._embedding.padding_idx] = 0.0
        return scale_to_length(self._eps, G_VH)[self.ids()]

    def note(self, gradient_BTH: torch.Tensor) -> None:
        super().note(gradient_BTH)
        if self._keeps_sum:
            if self._sum_VH is None:
                self._sum_VH = gradient_BTH.new_zeros(self._embedding.num_embeddings, self._embedding.embedding_dim)
            self._sum_VH.index_add_(0, self.ids().flatten(), self.gradient().flatten(0, 1))
