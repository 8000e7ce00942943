"""Methods that leave words out and watch the answer: leave-one-out, LIME, KernelSHAP.

A unit is a word (or words that share a token; encoding.EncodedRow.units_T); a unit that is left out has the baseline's
embeddings, by default those of [MASK], while positions and special tokens stay. A unit's score is divided evenly among
its tokens, so that its words receive it whole.
Shapes: M units of a row, P choices of units to keep.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product
from typing import ClassVar

import numpy as np
import torch

from final_project.method_options import LeaveOneOutOptions, LeftOutOptions
from similarity_v1.explain.encoding import EncodedRow
from similarity_v1.explain.methods.method import Scores
from similarity_v1.explain.probe import Probe

LIME_WIDTH = 0.25  # of the kernel over cosine distance, for texts (Ribeiro et al. 2016)
LIME_RIDGE = 1.0  # strength of the local model's ridge, as in their program
CHOICES_PER_UNIT = 4  # KernelSHAP's regression has one unknown per unit: fewer choices than this leave it shaky


@dataclass(frozen=True)
class LeaveOneOut(LeaveOneOutOptions):
    """F(all) - F(all but this unit). Captum's FeatureAblation gives the same."""

    needs_gradient: ClassVar[bool] = False
    answers_only: ClassVar[bool] = True

    def __call__(self, probe: Probe) -> Scores:
        keeps = [~np.eye(n_units(row), dtype=bool) for row in probe.rows]
        values = ask_without(probe, keeps, self.baseline)
        full = probe.value_B.double().cpu().numpy()
        return Scores(to_tokens(probe, [full[b] - left for b, left in enumerate(values)]))


@dataclass(frozen=True)
class Lime(LeftOutOptions):
    """Weights of a ridge regression of F on which units were kept, near the full text (Ribeiro et al. 2016).

    A sample leaves out a random number of random units; the first one is the full text. It weighs
    sqrt(exp(-d^2 / width^2)), d the cosine distance to the full text.
    """

    needs_gradient: ClassVar[bool] = False
    answers_only: ClassVar[bool] = True

    def __call__(self, probe: Probe) -> Scores:
        keeps = [self.choices(row) for row in probe.rows]
        values = ask_without(probe, keeps, self.baseline)
        return Scores(to_tokens(probe, [local_weights(*case) for case in zip(keeps, values, strict=True)]))

    def choices(self, row: EncodedRow) -> np.ndarray:
        random = np.random.default_rng([row.seed, self.seed])
        keeps_PM = np.ones((self.samples, n_units(row)), dtype=bool)
        for p in range(1, self.samples):
            n_left_out = random.integers(1, keeps_PM.shape[1], endpoint=True) if keeps_PM.shape[1] else 0
            keeps_PM[p, random.permutation(keeps_PM.shape[1])[:n_left_out]] = False
        return keeps_PM


def local_weights(keeps_PM: np.ndarray, values_P: np.ndarray) -> np.ndarray:
    """LIME's weights of M units: ridge regression with an unpenalised intercept."""
    near_P = np.exp(-((1 - np.sqrt(keeps_PM.mean(axis=1))) ** 2) / LIME_WIDTH**2) ** 0.5
    features_PM = keeps_PM - np.average(keeps_PM, axis=0, weights=near_P)
    centred_P = values_P - np.average(values_P, weights=near_P)
    gram_MM = (features_PM * near_P[:, None]).T @ features_PM + LIME_RIDGE * np.eye(keeps_PM.shape[1])
    return np.linalg.solve(gram_MM, (features_PM * near_P[:, None]).T @ centred_P)


@dataclass(frozen=True)
class KernelShap(LeftOutOptions):
    """Shapley values of the units by weighted least squares (Lundberg and Lee 2017), their sum being F(all) - F(none).

    Exact where all choices of units fit into `samples`; else that many choices (at least four a unit) are drawn by the
    kernel's weight, each with its opposite.
    """

    needs_gradient: ClassVar[bool] = False
    answers_only: ClassVar[bool] = True

    def __call__(self, probe: Probe) -> Scores:
        drawn = [self.choices(row) for row in probe.rows]
        ends = [np.stack([np.ones(n_units(row), bool), np.zeros(n_units(row), bool)]) for row in probe.rows]
        keeps = [np.concatenate([end, keeps_PM]) for end, (keeps_PM, _) in zip(ends, drawn, strict=True)]
        values = ask_without(probe, keeps, self.baseline)
        shares = [
            shapley_values(keeps_PM, weights_P, values_P[2:], values_P[0], values_P[1])
            for (keeps_PM, weights_P), values_P in zip(drawn, values, strict=True)
        ]
        rises = [values_P[0] - values_P[1] for values_P in values]
        errors = [abs(share.sum() - rise) if len(share) else 0.0 for share, rise in zip(shares, rises, strict=True)]
        return Scores(to_tokens(probe, shares), torch.tensor(errors))

    def choices(self, row: EncodedRow) -> tuple[np.ndarray, np.ndarray]:
        """(P, M) units kept, neither all nor none, and their weights in the regression."""
        n = n_units(row)
        if n < 2:
            return np.zeros((0, n), bool), np.zeros(0)
        sizes = np.arange(1, n)
        if 2**n - 2 <= self.samples:
            keeps_PM = np.array([keep for keep in product((False, True), repeat=n) if 0 < sum(keep) < n])
            of_size = {k: (n - 1) / (math.comb(n, k) * k * (n - k)) for k in sizes.tolist()}
            return keeps_PM, np.array([of_size[k] for k in keeps_PM.sum(axis=1).tolist()])
        random = np.random.default_rng([row.seed, self.seed])
        n_draws = max(self.samples, CHOICES_PER_UNIT * n) // 2
        likely = 1 / (sizes * (n - sizes))
        keeps_PM = np.zeros((n_draws, n), dtype=bool)
        for p, size in enumerate(random.choice(sizes, n_draws, p=likely / likely.sum())):
            keeps_PM[p, random.permutation(n)[:size]] = True
        return np.concatenate([keeps_PM, ~keeps_PM]), np.ones(2 * n_draws)


def shapley_values(
    keeps_PM: np.ndarray, weights_P: np.ndarray, values_P: np.ndarray, full: float, none: float
) -> np.ndarray:
    """Least squares with the sum of the M values held to full - none: the last unit is eliminated."""
    n = keeps_PM.shape[1]
    if n < 2:
        return np.full(n, full - none)
    last_P1 = keeps_PM[:, -1:].astype(float)
    features = (keeps_PM[:, :-1] - last_P1) * np.sqrt(weights_P)[:, None]
    wanted_P = (values_P - none - last_P1[:, 0] * (full - none)) * np.sqrt(weights_P)
    first = np.linalg.lstsq(features, wanted_P, rcond=None)[0]
    return np.append(first, full - none - first.sum())


def n_units(row: EncodedRow) -> int:
    return max(row.units_T, default=-1) + 1


def ask_without(probe: Probe, keeps: Sequence[np.ndarray], baseline: str) -> list[np.ndarray]:
    """F for every choice of units to keep. keeps: per row (P, M); answers per row (P,) in float64.

    Rows with many choices share passes with rows that have few.
    """
    baseline_BTH, device = probe.baseline(baseline), probe.mask_BT.device
    kept = [_by_token(row, keeps_PM, probe.mask_BT.shape[1]) for row, keeps_PM in zip(probe.rows, keeps, strict=True)]
    kept_PT = torch.from_numpy(np.concatenate(kept)).to(device)
    rows_P = torch.arange(len(keeps)).repeat_interleave(torch.tensor([*map(len, keeps)])).to(device)
    values = [torch.zeros(0, dtype=torch.float64)]
    for begin in range(0, len(rows_P), probe.at_once):
        kept_NT1, rows_N = kept_PT[begin : begin + probe.at_once, :, None], rows_P[begin : begin + probe.at_once]
        points_NTH = torch.where(kept_NT1, probe.embedded_BTH[rows_N], baseline_BTH[rows_N])
        values.append(probe.values(points_NTH, rows_N).double().cpu())
    return np.split(torch.cat(values).numpy(), np.cumsum([*map(len, keeps)])[:-1])


def _by_token(row: EncodedRow, keeps_PM: np.ndarray, n_tokens: int) -> np.ndarray:
    """(P, M) units kept -> (P, T) tokens kept; special tokens and padding always are."""
    always_P1 = np.ones((len(keeps_PM), 1), dtype=bool)
    units_T = [*row.units_T, *[-1] * (n_tokens - len(row))]
    return np.concatenate([keeps_PM, always_P1], axis=1)[:, units_T]


def to_tokens(probe: Probe, shares: Sequence[np.ndarray]) -> torch.Tensor:
    """Per row (M,) scores of units -> (B, T), each unit's score divided evenly among its tokens."""
    scores_BT = torch.zeros(probe.mask_BT.shape, dtype=torch.float64)
    for b, (row, share_M) in enumerate(zip(probe.rows, shares, strict=True)):
        units_T = np.array(row.units_T)
        in_unit = units_T >= 0
        n_tokens_M = np.bincount(units_T[in_unit], minlength=len(share_M))
        scores_BT[b, : len(row)][torch.from_numpy(in_unit)] = torch.from_numpy((share_M / n_tokens_M)[units_T[in_unit]])
    return scores_BT
