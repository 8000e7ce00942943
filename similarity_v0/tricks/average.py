"""Averages of the weights over the updates, which are evaluated and saved in place of the last ones."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch

from final_project.training.engines.engine import Engine


class AveragedWeights(ABC):
    """Of the weights that are trained, or this rank's parts of them; starts at the weights themselves."""

    def __init__(self, engine: Engine):
        self._engine = engine
        self._average = self._copy()

    @abstractmethod
    def newest_share(self) -> float:
        """The share that the weights after the newest update have in the average; 1 = they replace it."""

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after an optimizer step."""
        torch._foreach_lerp_(list(self._average.values()), list(self._engine.parts().values()), self.newest_share())

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Within the block the model has the averaged weights; after it, its own again."""
        own = self._copy()
        self._engine.set_parts(self._average)
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
        self._average = self._copy()
        self._engine.set_parts(own)
        self._engine.weights_changed()

    def _copy(self) -> dict[str, torch.Tensor]:
        return {name: part.clone() for name, part in self._engine.parts().items()}
