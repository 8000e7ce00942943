"""Fast gradient method on the word embeddings (Miyato et al. 2017): a second loss where the first one hurts most.

r = eps * G / ||G||_F, G the gradient of the loss with respect to the word-embedding weight, padding row zero. Editing
the weight E to E + r is the same as adding r[input_ids] to the output of the embedding layer; so no parameter is
touched, and sharded parameters are no obstacle.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Literal

import torch
from torch import nn


class Fgm:
    """One attack on one embedding layer.

    direction "micro_batch": G comes from this micro-batch's clean loss. "accumulated": G is all that the passes of
    this step have left in the weight's gradient so far on this rank, as in the original solution.
    """

    def __init__(
        self, embedding: nn.Embedding, eps: float, direction: Literal["micro_batch", "accumulated"] = "micro_batch"
    ):
        if eps <= 0:
            raise ValueError(f"eps must be positive, found {eps}")
        self._embedding = embedding
        self._eps = eps
        self._keeps_sum = direction == "accumulated"
        self._sum_VH: torch.Tensor | None = None
        self._ids_BT: torch.Tensor | None = None
        self._gradient_BTH: torch.Tensor | None = None

    def begin_step(self) -> None:
        """Forget what the last optimizer step has accumulated."""
        self._sum_VH = None

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Note the gradient that arrives at the embedding's output during one forward and backward."""
        with self._hook(perturbation=None):
            yield

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Within the block the embedding's output carries r, from the gradient noted last."""
        with self._hook(perturbation=self.perturbation()):
            yield

    def perturbation(self) -> torch.Tensor:
        """r[input_ids], (B, T, H); zero where the gradient vanishes or is not finite."""
        G_VH, rows_BT = self._direction()
        norm = G_VH.norm()
        scale = self._eps / norm if torch.isfinite(norm) and norm > 0 else 0.0
        return (scale * G_VH)[rows_BT] if scale else torch.zeros_like(self._gradient_BTH)

    def _direction(self) -> tuple[torch.Tensor, torch.Tensor]:
        """G restricted to some rows of the weight, and for each token its row in G."""
        if self._keeps_sum:
            return self._without_padding(self._sum_VH, self._embedding.padding_idx), self._ids_BT
        used_U, rows_BT = self._ids_BT.unique(return_inverse=True)
        G_UH = self._gradient_BTH.new_zeros(len(used_U), self._gradient_BTH.shape[-1])
        G_UH.index_add_(0, rows_BT.flatten(), self._gradient_BTH.flatten(0, 1))
        padding = self._embedding.padding_idx
        is_padding = None if padding is None else used_U == padding
        return self._without_padding(G_UH, is_padding), rows_BT

    @staticmethod
    def _without_padding(G_VH: torch.Tensor, padding_rows: int | torch.Tensor | None) -> torch.Tensor:
        if padding_rows is None:
            return G_VH
        G_VH = G_VH.clone()
        G_VH[padding_rows] = 0.0
        return G_VH

    @contextlib.contextmanager
    def _hook(self, perturbation: torch.Tensor | None) -> Iterator[None]:
        def on_forward(module: nn.Module, inputs: tuple, output_BTH: torch.Tensor) -> torch.Tensor:
            self._ids_BT = inputs[0]
            output_BTH.register_hook(self._note)
            return output_BTH if perturbation is None else output_BTH + perturbation.to(output_BTH.dtype)

        handle = self._embedding.register_forward_hook(on_forward)
        try:
            yield
        finally:
            handle.remove()

    def _note(self, gradient_BTH: torch.Tensor) -> None:
        self._gradient_BTH = gradient_BTH.detach()
        if self._keeps_sum:
            if self._sum_VH is None:
                self._sum_VH = self._gradient_BTH.new_zeros(
                    self._embedding.num_embeddings, self._embedding.embedding_dim
                )
            self._sum_VH.index_add_(0, self._ids_BT.flatten(), self._gradient_BTH.flatten(0, 1))
