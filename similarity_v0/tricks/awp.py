"""Adversarial weight perturbation (Wu, Xia and Wang 2020): the step is taken from where the weights do worst nearby.

Every weight matrix is moved by v = gamma * ||W|| * G / ||G||, G the gradient of the clean loss over the whole step; the
step's gradient is then taken at W + v in place of W, and applied to W. G is over all micro-batches and ranks, so all
ranks move alike, each the part of a matrix that it holds.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping

import torch

from final_project.training.engines.engine import Engine


class Awp:
    """gamma: how far a matrix moves, as a share of its norm; 0.005 in the paper. Vectors stay."""

    def __init__(self, engine: Engine, gamma: float):
        if gamma <= 0:
            raise ValueError(f"gamma must be positive, found {gamma}")
        self._engine = engine
        self._gamma = gamma

    @contextlib.contextmanager
    def applied(self, gradients: Mapping[str, torch.Tensor]) -> Iterator[None]:
        """Within the block the weights are moved along these gradients (Engine.take_gradients); after it they are
        bit for bit what they were. Called on every rank."""
        own = {name: part.clone() for name, part in self._engine.parts().items()}
        self._engine.set_parts(self._moved(own, gradients))
        try:
            yield
        finally:
            self._engine.set_parts(own)

    def _moved(self, own: Mapping[str, torch.Tensor], gradients: Mapping[str, torch.Tensor]) -> dict:
        weight_norms = self._engine.matrix_norms(own)
        moved = dict(own)
        for name, norm in self._engine.matrix_norms(gradients).items():
            if 0 < norm < float("inf"):  # neither vanished nor overflown, nor NaN
                moved[name] = own[name] + (self._gamma * weight_norms[name] / norm) * gradients[name]
        return moved
