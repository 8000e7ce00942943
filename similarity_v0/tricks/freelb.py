"""FreeLB (Zhu et al. 2020, algorithm 1): every step of the attack also contributes to the update.

d_0 = 0, d_k = P(d_{k-1} + alpha * g_{k-1} / ||g_{k-1}||), g_k the gradient with respect to a pair's word embeddings,
(T, H), moved by d_k; P the projection on the ball of radius eps. Each pair has its own ball. The gradients of the
K losses at d_0 ... d_{K-1} are averaged, all under the same dropout masks. The paper draws d_0 at random; here
d_0 = 0, so that the logged loss is the clean one.
"""

from __future__ import annotations

import torch
from torch import nn

from similarity_v0.tricks.attack import AdversarialPass, EmbeddingAttack


class FreeLb(EmbeddingAttack):
    """n_steps: K, the passes over a micro-batch, including the clean one."""

    keeps_masks = True

    def __init__(self, embedding: nn.Embedding, eps: float, alpha: float, n_steps: int):
        super().__init__(embedding, eps)
        if alpha <= 0:
            raise ValueError(f"alpha must be positive, found {alpha}")
        if n_steps < 2:
            raise ValueError(f"n_steps must be 2 or more, found {n_steps}: the first pass is the clean one")
        self._alpha = alpha
        self.clean_share = 1.0 / n_steps
        self.passes = (AdversarialPass(self.clean_share),) * (n_steps - 1)
        self._d_BTH: torch.Tensor | None = None

    def start(self) -> None:
        self._d_BTH = None

    def perturbation(self) -> torch.Tensor:
        """d_k, (B, T, H); zero at padding. Each call takes one step."""
        g_BTH = self.gradient()
        if self._embedding.padding_idx is not None:
            g_BTH = g_BTH * (self.ids() != self._embedding.padding_idx)[:, :, None]
        norm_B11 = lengths(g_BTH)
        has_direction_B11 = norm_B11.isfinite() & (norm_B11 > 0)
        step_BTH = torch.where(has_direction_B11, g_BTH * (self._alpha / norm_B11), 0.0)
        moved_BTH = step_BTH if self._d_BTH is None else self._d_BTH + step_BTH
        self._d_BTH = moved_BTH * (self._eps / lengths(moved_BTH).clamp_min(self._eps))
        return self._d_BTH


def lengths(values_BTH: torch.Tensor) -> torch.Tensor:
    """Euclidean length of each pair's values, (B, 1, 1)."""
    return values_BTH.norm(dim=(1, 2), keepdim=True)
