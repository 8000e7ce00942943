"""Random scores: the baseline that every other method must beat."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from final_project.method_options import RandomOptions
from similarity_v1.explain.methods.method import Scores, generators
from similarity_v1.explain.probe import Probe


@dataclass(frozen=True)
class RandomScores(RandomOptions):
    """Uniform in [0, 1), drawn from the texts of the row and the seed."""

    needs_gradient: ClassVar[bool] = False
    answers_only: ClassVar[bool] = True

    def __call__(self, probe: Probe) -> Scores:
        scores_BT = torch.zeros(probe.mask_BT.shape)
        for b, (row, generator) in enumerate(zip(probe.rows, generators(probe.rows, self.seed), strict=True)):
            scores_BT[b, : len(row)] = torch.rand(len(row), generator=generator)
        return Scores(scores_BT)
