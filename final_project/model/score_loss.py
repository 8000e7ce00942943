"""Losses of scores: what each text loses, from the scores that the model gives and those that people gave.

e = (prediction - given score) / scale, k = 1 where the score is known, w a target's weight:
    a row's loss   sum_c w_c k_c phi(e_c) / sum_c w_c k_c, 0 where nothing is known; a step's is its mean over rows
    smooth_l1      phi(e) = e^2 / (2 beta) where |e| < beta, else |e| - beta / 2 (Girshick 2015); beta 0 = l1
    mse, l1        phi(e) = e^2, |e|
    mcrmse         no sum over rows: sum_c w_c r_c / sum w, r_c = sqrt(S_c / n_c + EPS), S_c and n_c the sum of k e^2
                   and of k over the whole step. Its gradient is that of sum_bc q_c k e^2 with
                   q_c = w_c / (2 n_c r_c sum w) held fixed, which is a sum over rows (see of_step)
Shapes: B texts, C targets.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from torch import Tensor

ScoreLossName = Literal["smooth_l1", "mse", "l1", "mcrmse"]
EPS = 1e-9  # under the root of mcrmse: its gradient stays finite where all errors are 0


@dataclass(frozen=True)
class StepSums:
    """Of a whole step, over all micro-batches and ranks. squares_C, known_C: sums of k e^2, of k. rows: how many."""

    squares_C: Sequence[float]
    known_C: Sequence[float]
    rows: int


@dataclass(frozen=True)
class ScoreLoss:
    """weights_C, scale_C: None = 1 everywhere. at: the coefficients q_C of mcrmse times the rows of the step, and what
    a row adds so that the logged loss is mcrmse; set by of_step."""

    name: ScoreLossName = "smooth_l1"
    beta: float = 1.0
    weights_C: Sequence[float] | None = None
    scale_C: Sequence[float] | None = None
    at: tuple[Sequence[float], float] | None = None

    def __call__(self, predicted_BC: Tensor, given_BC: Tensor) -> Tensor:
        """(B,) losses in float32 at least. given_BC: NaN where unknown; such a score gets no gradient."""
        errors_BC, known_BC = self.errors(predicted_BC, given_BC)
        if self.name == "mcrmse":
            assert self.at is not None, "mcrmse is a loss of whole steps: see of_step"
            factors_C, rest = self.at
            return (self._tensor(factors_C, errors_BC) * errors_BC.square()).sum(dim=1) + rest
        weights_BC = self._weights(errors_BC) * known_BC
        total_B = weights_BC.sum(dim=1)
        sums_B = (weights_BC * self._phi(errors_BC)).sum(dim=1)
        return sums_B / torch.where(total_B > 0, total_B, 1.0)

    def errors(self, predicted_BC: Tensor, given_BC: Tensor) -> tuple[Tensor, Tensor]:
        """(errors, 0 where unknown; which are known), (B, C) each."""
        predicted_BC = predicted_BC if predicted_BC.dtype == torch.float64 else predicted_BC.float()
        known_BC = ~torch.isnan(given_BC)
        errors_BC = predicted_BC - given_BC.nan_to_num().to(predicted_BC.dtype)
        if self.scale_C is not None:
            errors_BC = errors_BC / self._tensor(self.scale_C, errors_BC)
        return torch.where(known_BC, errors_BC, 0.0), known_BC

    def sums(self, predicted_BC: Tensor, given_BC: Tensor) -> tuple[Tensor, Tensor]:
        """S_C and n_C of some rows, in float64."""
        errors_BC, known_BC = self.errors(predicted_BC, given_BC)
        return errors_BC.double().square().sum(dim=0), known_BC.double().sum(dim=0)

    def of_step(self, sums: Callable[[], StepSums]) -> ScoreLoss:
        """The loss for the micro-batches of one step. sums: asked for where the loss is no sum over rows."""
        if self.name != "mcrmse":
            return self
        of = sums()
        squares_C, known_C = np.array(of.squares_C), np.array(of.known_C)
        weights_C = np.where(known_C > 0, 1.0 if self.weights_C is None else np.array(self.weights_C), 0.0)
        n_C, total = np.maximum(known_C, 1.0), max(weights_C.sum(), 1e-300)
        roots_C = np.sqrt(squares_C / n_C + EPS)
        factors_C = weights_C / (2 * n_C * roots_C * total)
        rest = float((weights_C * roots_C).sum() / total - (factors_C * squares_C).sum())
        return replace(self, at=((factors_C * of.rows).tolist(), rest))

    def of_set(self, predicted_NC: np.ndarray, given_NC: np.ndarray) -> float:
        """The loss of all rows together, as of one step; 0 of no rows."""
        predicted, given = torch.as_tensor(predicted_NC), torch.as_tensor(given_NC)
        if not len(predicted):
            return 0.0
        squares_C, known_C = self.sums(predicted, given)
        loss = self.of_step(lambda: StepSums(squares_C.tolist(), known_C.tolist(), len(predicted)))
        return float(loss(predicted, given).mean())

    def of_blend(
        self, predicted_BC: Tensor, given_BC: Tensor, weights_B: Tensor, share: float, partners_B: Tensor
    ) -> Tensor:
        """(B,) weighted losses of rows that are blended by twos: against the blend of the scores, unknown where either
        is."""
        return self(predicted_BC, share * given_BC + (1.0 - share) * given_BC[partners_B]) * weights_B

    def disagreement(self, one_BC: Tensor, other_BC: Tensor) -> Tensor:
        """(B,) weighted mean square of the difference of two answers, in the loss's own scale."""
        gap_BC, _ = self.errors(one_BC, torch.zeros_like(other_BC))
        other, _ = self.errors(other_BC, torch.zeros_like(one_BC))
        weights_BC = self._weights(gap_BC)
        return (weights_BC * (gap_BC - other).square()).sum(dim=1) / weights_BC.sum(dim=1)

    def _phi(self, errors_BC: Tensor) -> Tensor:
        size_BC = errors_BC.abs()
        if self.name == "mse":
            return errors_BC.square()
        if self.name == "l1" or self.beta == 0:
            return size_BC
        return torch.where(size_BC < self.beta, errors_BC.square() / (2 * self.beta), size_BC - self.beta / 2)

    def _weights(self, like_BC: Tensor) -> Tensor:
        weights_C = [1.0] * like_BC.shape[1] if self.weights_C is None else self.weights_C
        return self._tensor(weights_C, like_BC).expand_as(like_BC)

    @staticmethod
    def _tensor(values_C: Sequence[float], like_BC: Tensor) -> Tensor:
        return torch.tensor(values_C, dtype=like_BC.dtype, device=like_BC.device)
