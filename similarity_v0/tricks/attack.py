"""Adversarial training on the word embeddings: the part that all attacks share.

An attack moves the output of the word-embedding layer in the direction in which the loss rises fastest and computes the
loss again. Moving the output equals moving rows of the weight, but changes no parameter, so it also works when the
weight is sharded. Each attack uses one micro-batch only, so the update does not depend on the number of ranks.
Shapes: B pairs, T tokens, H hidden, V vocabulary, U the distinct tokens of a micro-batch.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn


@dataclass(frozen=True)
class AdversarialPass:
    """One forward and backward of a micro-batch with moved embeddings.

    share: factor of this pass's loss in the update. direction_only: the pass gives no weight a gradient; it only
    computes the gradient at the embedding output from which the attack takes its next direction.
    """

    share: float = 1.0
    direction_only: bool = False


class Attack:
    """What train_step asks of every attack. This base class attacks nothing: the clean pass is the only one."""

    clean_share: float = 1.0
    """Factor of the clean loss in the update."""

    passes: tuple[AdversarialPass, ...] = ()
    """The adversarial passes over each micro-batch, in order."""

    keeps_masks = False
    """True: the adversarial passes use the clean pass's dropout masks. False: each draws its own."""

    output_BTH: torch.Tensor | None = None
    """Output of the embedding layer in the current pass, before it is moved; None between passes."""

    def begin_step(self) -> None:
        """Reset the state of the previous optimizer step."""

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Surrounds forward and backward of a pass that is not attacked. The attack starts from the last such pass."""
        yield

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Surrounds forward and backward of an adversarial pass."""
        yield

    def embedded(self) -> torch.Tensor:
        """output_BTH of the current pass, after its forward."""
        assert self.output_BTH is not None, "no forward has run in this pass"
        return self.output_BTH


NO_ATTACK = Attack()


class EmbeddingAttack(Attack, ABC):
    """Base of the attacks: records the gradient at the embedding output, and moves that output."""

    def __init__(self, embedding: nn.Embedding, eps: float):
        """eps: radius of the attack, in the norm that its class names."""
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
        """Move the embedding output by perturbation(), computed from the previous pass's gradient, and record the new
        gradient."""
        with self._hook(self.perturbation()):
            yield

    def start(self) -> None:
        """Reset per-micro-batch state. Called before each pass that is not attacked."""

    @abstractmethod
    def perturbation(self) -> torch.Tensor:
        """The move of the next adversarial pass, (B, T, H), from the gradient recorded last."""

    def note(self, gradient_BTH: torch.Tensor) -> None:
        """Record the gradient at the embedding output."""
        self._gradient_BTH = gradient_BTH.detach()

    def ids(self) -> torch.Tensor:
        """Token ids of the pass that ran last, (B, T)."""
        assert self._ids_BT is not None, "no pass has run"
        return self._ids_BT

    def gradient(self) -> torch.Tensor:
        """The gradient recorded last, (B, T, H)."""
        assert self._gradient_BTH is not None, "no gradient has been recorded"
        return self._gradient_BTH

    def gradient_by_token(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The gradient with respect to the weight's rows in use, (U, H), zero for padding; and the row index of each
        token, (B, T)."""
        ids_BT, gradient_BTH = self.ids(), self.gradient()
        used_U, rows_BT = ids_BT.unique(return_inverse=True)
        G_UH = gradient_BTH.new_zeros(len(used_U), gradient_BTH.shape[-1])
        G_UH.index_add_(0, rows_BT.flatten(), gradient_BTH.flatten(0, 1))
        if self._embedding.padding_idx is not None:
            G_UH.masked_fill_((used_U == self._embedding.padding_idx)[:, None], 0.0)
        return G_UH, rows_BT

    @contextlib.contextmanager
    def _hook(self, perturbation_BTH: torch.Tensor | None) -> Iterator[None]:
        def on_forward(module: nn.Module, inputs: tuple, output_BTH: torch.Tensor) -> torch.Tensor:
            if not output_BTH.requires_grad:  # an attack also works on frozen embeddings
                output_BTH.requires_grad_()
            self._ids_BT, self.output_BTH = inputs[0], output_BTH
            output_BTH.register_hook(self.note)
            return output_BTH if perturbation_BTH is None else output_BTH + perturbation_BTH.to(output_BTH.dtype)

        handle = self._embedding.register_forward_hook(on_forward)
        try:
            yield
        finally:
            handle.remove()
            self.output_BTH = None  # it would keep the pass's graph alive


def scale_to_length(length: float, direction: torch.Tensor) -> torch.Tensor:
    """Scale a tensor to this Euclidean length; zeros if its norm is 0 or not finite."""
    norm = direction.norm()
    if torch.isfinite(norm) and norm > 0:
        return (length / norm) * direction
    return torch.zeros_like(direction)
