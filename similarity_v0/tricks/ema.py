"""Exponential moving average of the weights: shadow = d * shadow + (1 - d) * w after every update."""

from __future__ import annotations

from final_project.training.engines.engine import Engine
from similarity_v0.tricks.average import AveragedWeights


class Ema(AveragedWeights):
    def __init__(self, engine: Engine, decay: float):
        if not 0 <= decay < 1:
            raise ValueError(f"decay must be in [0, 1), found {decay}")
        super().__init__(engine)
        self._decay = decay

    def newest_share(self) -> float:
        return 1 - self._decay
