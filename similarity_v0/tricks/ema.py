"""Exponential moving average of the weights: shadow = d * shadow + (1 - d) * w after every update."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch
from torch import nn


class Ema:
    """Starts at the weights themselves. Buffers are not averaged."""

    def __init__(self, model: nn.Module, decay: float):
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be in [0, 1), found {decay}")
        self._weights = dict(model.named_parameters())
        self._decay = decay
        self._shadow = {name: weight.detach().clone() for name, weight in self._weights.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Take in the weights after an optimizer step."""
        shadow = list(self._shadow.values())
        torch._foreach_lerp_(shadow, [w.detach() for w in self._weights.values()], 1 - self._decay)

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Within the block the model carries the averaged weights; after it, its own again."""
        own = {name: weight.detach().clone() for name, weight in self._weights.items()}
        self._copy(self._shadow)
        try:
            yield
        finally:
            self._copy(own)

    def state(self) -> dict[str, torch.Tensor]:
        return self._shadow

    def restore(self, shadow: dict[str, torch.Tensor]) -> None:
        for name, value in shadow.items():
            self._shadow[name].copy_(value)

    @torch.no_grad()
    def _copy(self, values: dict[str, torch.Tensor]) -> None:
        for name, weight in self._weights.items():
            weight.copy_(values[name])
