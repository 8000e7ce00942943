"""Exponential moving average of the weights: shadow = d * shadow + (1 - d) * w after every update."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch

from final_project.training.engines.base import Engine


class Ema:
    """Of the weights that are trained, or this rank's parts of them; starts at the weights themselves."""

    def __init__(self, engine: Engine, decay: float):
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be in [0, 1), found {decay}")
        self._engine = engine
        self._decay = decay
        self._shadow = self._copy()

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after an optimizer step."""
        torch._foreach_lerp_(list(self._shadow.values()), list(self._engine.parts().values()), 1 - self._decay)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Within the block the model carries the averaged weights; after it, its own again."""
        own = self._copy()
        self._engine.set_parts(self._shadow)
        try:
            yield
        finally:
            self._engine.set_parts(own)

    def state(self) -> dict[str, torch.Tensor]:
        """The averaged weights in full, on the first rank. Called on every rank."""
        with self.applied():
            return self._engine.full_weights()

    def restore(self, averaged: dict[str, torch.Tensor]) -> None:
        """Take up what state gave; every rank is given the full weights."""
        own = self._copy()
        self._engine.set_weights(averaged.__getitem__)
        self._shadow = self._copy()
        self._engine.set_parts(own)
        self._engine.weights_changed()

    def _copy(self) -> dict[str, torch.Tensor]:
        return {name: part.clone() for name, part in self._engine.parts().items()}
