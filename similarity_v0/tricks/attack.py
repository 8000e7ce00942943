"""Adversarial training on the word embeddings: what every attack on them shares.

An attack moves the output of the word-embedding layer where the loss rises fastest, and the loss is taken again there.
Moving the output for the tokens of a micro-batch is the same as moving rows of the weight; so no parameter is touched,
and sharded ones are no obstacle. It all happens in one micro-batch, so the update does not depend on ranks.
Shapes: B pairs, T tokens, H hidden, V vocabulary, U the distinct tokens of a micro-batch.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from torch import nn


class NoAttack:
    """The clean pass alone."""

    clean_share = 1.0
    """What part of the clean loss counts."""

    shares: tuple[float, ...] = ()
    """What part of the loss counts in each adversarial pass. Where it is 0 the pass only points the way: its gradient
    is wanted at `output_BTH` and at no weight."""

    keeps_masks = False
    """Whether the adversarial passes see the dropout masks of the clean one; else each draws its own."""

    output_BTH: torch.Tensor | None = None

    def begin_step(self) -> None:
        """Forget the last optimizer step."""

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Around forward and backward of a pass that is not attacked; the last one is where the attack starts."""
        yield


class EmbeddingAttack(NoAttack, ABC):
    """Base of the attacks: notes what reaches the embedding's output, and moves it."""

    def __init__(self, embedding: nn.Embedding, eps: float):
        """eps: the farthest that an attack goes, in the norm that it names."""
        if eps <= 0:
            raise ValueError(f"eps must be positive, found {eps}")
        self._embedding = embedding
        self._eps = eps
        self._ids_BT: torch.Tensor | None = None
        self._gradient_BTH: torch.Tensor | None = None

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        self.start()
        with self._hook(None):
            yield

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Around forward and backward of an adversarial pass: the embedding's output is moved by what the gradient
        noted in the pass before asks for, and the new gradient is noted."""
        with self._hook(self.perturbation()):
            yield

    def start(self) -> None:
        """Called before an unattacked pass: whatever steps were taken for another micro-batch are over."""

    @abstractmethod
    def perturbation(self) -> torch.Tensor:
        """By what the next adversarial pass is moved, (B, T, H); from the gradient noted last."""

    def note(self, gradient_BTH: torch.Tensor) -> None:
        """Take the gradient that has reached the embedding's output."""
        self._gradient_BTH = gradient_BTH.detach()

    def gradient_by_token(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The gradient with respect to the rows of the weight, (U, H), zero for padding; for each token its row."""
        used_U, rows_BT = self._ids_BT.unique(return_inverse=True)
        G_UH = self._gradient_BTH.new_zeros(len(used_U), self._gradient_BTH.shape[-1])
        G_UH.index_add_(0, rows_BT.flatten(), self._gradient_BTH.flatten(0, 1))
        if self._embedding.padding_idx is not None:
            G_UH.masked_fill_((used_U == self._embedding.padding_idx)[:, None], 0.0)
        return G_UH, rows_BT

    @contextlib.contextmanager
    def _hook(self, perturbation_BTH: torch.Tensor | None) -> Iterator[None]:
        def on_forward(module: nn.Module, inputs: tuple, output_BTH: torch.Tensor) -> torch.Tensor:
            if not output_BTH.requires_grad:  # frozen embeddings are attacked all the same
                output_BTH.requires_grad_()
            self._ids_BT, self.output_BTH = inputs[0], output_BTH
            output_BTH.register_hook(self.note)
            return output_BTH if perturbation_BTH is None else output_BTH + perturbation_BTH.to(output_BTH.dtype)

        handle = self._embedding.register_forward_hook(on_forward)
        try:
            yield
        finally:
            handle.remove()
            self.output_BTH = None  # it holds the pass's graph


def of_length(length: float, direction: torch.Tensor) -> torch.Tensor:
    """The tensor stretched to this Euclidean length; zeros where it vanishes or is not finite."""
    norm = direction.norm()
    if torch.isfinite(norm) and norm > 0:
        return (length / norm) * direction
    return torch.zeros_like(direction)
