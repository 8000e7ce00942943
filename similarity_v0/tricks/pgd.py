"""Projected gradient descent on the word embeddings (Madry et al. 2018): FGM in several small steps.

r_0 = 0, r_k = P(r_{k-1} + alpha * G_{k-1} / ||G_{k-1}||_F), G_k the gradient with respect to the word-embedding weight
at E + r_k, padding row zero, P the projection on the ball of radius eps in the Frobenius norm. The gradient of the loss
at E + r_K is added to the clean one. The K - 1 passes before only supply the next direction: no weight gets a
gradient from them.
"""

from __future__ import annotations

import torch
from torch import nn

from similarity_v0.tricks.attack import AdversarialPass, EmbeddingAttack, scale_to_length


class Pgd(EmbeddingAttack):
    """n_steps: K, the adversarial passes over a micro-batch."""

    def __init__(self, embedding: nn.Embedding, eps: float, alpha: float, n_steps: int):
        super().__init__(embedding, eps)
        if alpha <= 0:
            raise ValueError(f"alpha must be positive, found {alpha}")
        if n_steps < 1:
            raise ValueError(f"n_steps must be 1 or more, found {n_steps}")
        self._alpha = alpha
        self.passes = (AdversarialPass(direction_only=True),) * (n_steps - 1) + (AdversarialPass(),)
        self._r_UH: torch.Tensor | None = None

    def start(self) -> None:
        self._r_UH = None

    def perturbation(self) -> torch.Tensor:
        """r_k[input_ids], (B, T, H). Each call takes one step."""
        G_UH, rows_BT = self.gradient_by_token()
        step_UH = scale_to_length(self._alpha, G_UH)
        self._r_UH = project_to_ball(step_UH if self._r_UH is None else self._r_UH + step_UH, self._eps)
        return self._r_UH[rows_BT]


def project_to_ball(r: torch.Tensor, radius: float) -> torch.Tensor:
    """The nearest point of the ball around zero."""
    return r * (radius / r.norm().clamp_min(radius))
