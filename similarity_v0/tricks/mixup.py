"""Mixup of hidden states (Zhang et al. 2018; inside the model: Verma et al. 2019): pairs and labels blended in twos.

h_i becomes lambda h_i + (1 - lambda) h_j at one place inside the model, the label likewise; lambda ~ Beta(alpha,
alpha), j runs through a permutation of the micro-batch. The loss of the blend is added to the clean one, in training
only. Each pair keeps its own attention mask: what its partner has beyond its end is not seen. Shapes: B pairs.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import nn

from final_project.errors import ArtifactError
from similarity_v0.model import PairModel

Level = Literal["embeddings", "layer", "last", "pool"]


@dataclass(frozen=True)
class Blend:
    """place: the module whose output is blended. share: lambda. partners_B: j of every pair."""

    place: nn.Module
    share: float
    partners_B: torch.Tensor

    def of(self, values: torch.Tensor) -> torch.Tensor:
        """The blend of what belongs to each pair, (B, ...)."""
        return self.share * values + (1.0 - self.share) * values[self.partners_B]

    @contextlib.contextmanager
    def applied(self) -> Iterator[None]:
        """Around forward and backward: the place hands on the blend of what it computed."""
        handle = self.place.register_forward_hook(lambda module, inputs, output: self.of(output))
        try:
            yield
        finally:
            handle.remove()


class Mixup:
    """level: after the embeddings, after a random layer below the last, after the last one, or after the pool."""

    def __init__(self, model: PairModel, level: Level, alpha: float):
        self._places = find_blend_modules(model, level)
        if not self._places:
            raise ArtifactError("mixup layer: an encoder of one layer has none below its last; take embeddings or last")
        self._alpha = alpha

    def draw(self, n_pairs: int, device: torch.device, *seed: int) -> Blend:
        """The blend of a micro-batch: a pure function of the seed's parts."""
        generator = np.random.default_rng(seed)
        place = self._places[generator.integers(len(self._places))]
        share = float(generator.beta(self._alpha, self._alpha))
        return Blend(place, share, torch.as_tensor(generator.permutation(n_pairs), device=device))


def find_blend_modules(model: PairModel, level: Level) -> list[nn.Module]:
    """The modules after one of which a blend of this level takes place."""
    if level == "embeddings":
        return [model.embeddings]
    if level == "pool":
        return [model.pool]
    return model.layers[:-1] if level == "layer" else model.layers[-1:]
