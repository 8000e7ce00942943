"""Stochastic weight averaging (Izmailov et al. 2018): the equal mean of the weights after each of the last updates."""

from __future__ import annotations

from final_project.training.engines.engine import Engine
from similarity_v0.tricks.average import AveragedWeights


class Swa(AveragedWeights):
    """first: the number of the first update that counts, from 1; before it the average is the weights themselves."""

    def __init__(self, engine: Engine, first: int):
        if first < 1:
            raise ValueError(f"first must be 1 or more, found {first}")
        super().__init__(engine)
        self._first = first

    def newest_share(self) -> float:
        # the engine's count of updates is part of every checkpoint, so the mean needs none of its own
        return 1.0 / max(1, self._engine.n_updates - self._first + 1)
