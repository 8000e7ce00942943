"""FreeLB (Zhu et al. 2020, algorithm 1): every step of the attack also trains, so none of its gradients is wasted.

d_0 = 0, d_k = P(d_{k-1} + alpha * g_{k-1} / ||g_{k-1}||), g_k the gradient with respect to a pair's word embeddings,
(T, H), moved by d_k; P the projection on the ball of radius eps. Each pair has a ball of its own. The gradients of the
K losses at d_0 ... d_{K-1} are averaged, under one set of dropout masks. The paper also draws d_0 at random; here the
pair itself comes first, so that the loss that is shown is the clean one.
"""

from __future__ import annotations

import torch
from torch import nn

from similarity_v0.tricks.attack import EmbeddingAttack


class FreeLb(EmbeddingAttack):
    """n_steps: K, the passes over a micro-batch, the clean one included."""

    keeps_masks = True

    def __init__(self, embedding: nn.Embedding, eps: float, alpha: float, n_steps: int):
        super().__init__(embedding, eps)
        if alpha <= 0:
            raise ValueError(f"alpha must be positive, found {alpha}")
        if n_steps < 2:
            raise ValueError(f"n_steps must be 2 or more, found {n_steps}: the first pass is the clean one")
        self._alpha = alpha
        self.clean_share = 1.0 / n_steps
        self.shares = (self.clean_share,) * (n_steps - 1)
        self._d_BTH: torch.Tensor | None = None

    def start(self) -> None:
        self._d_BTH = None

    def perturbation(self) -> torch.Tensor:
        """d_k, (B, T, H); zero at padding. Takes one step each time it is called."""
        g_BTH = self._gradient_BTH
        if self._embedding.padding_idx is not None:
            g_BTH = g_BTH * (self._ids_BT != self._embedding.padding_idx)[:, :, None]
        norm_B11 = lengths(g_BTH)
        points = norm_B11.isfinite() & (norm_B11 > 0)
        step_BTH = torch.where(points, g_BTH * (self._alpha / norm_B11), 0.0)
        moved_BTH = step_BTH if self._d_BTH is None else self._d_BTH + step_BTH
        self._d_BTH = moved_BTH * (self._eps / lengths(moved_BTH).clamp_min(self._eps))
        return self._d_BTH


def lengths(values_BTH: torch.Tensor) -> torch.Tensor:
    """Euclidean length of what each pair has, (B, 1, 1)."""
    return values_BTH.norm(dim=(1, 2), keepdim=True)
