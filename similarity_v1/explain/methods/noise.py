"""Gradients averaged over noisy copies of the input: SmoothGrad and GradSHAP.

The noise is Gaussian; its standard deviation is `noise` times that of the row's own embeddings. Each row draws from a
generator of its own over its own tokens, so neither batch nor padding changes what it draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from final_project.method_options import GradShapOptions, SmoothGradOptions
from similarity_v1.explain.methods.method import Scores, completeness_error, generators, reduce_hidden
from similarity_v1.explain.probe import Probe


@dataclass(frozen=True)
class SmoothGrad(SmoothGradOptions):
    """Mean gradient over noisy copies, times the input (Smilkov et al. 2017)."""

    needs_gradient: ClassVar[bool] = False

    def __call__(self, probe: Probe) -> Scores:
        scale_B, draw = _spread(probe, self.noise), generators(probe.rows, self.seed)
        total_BTH = torch.zeros_like(probe.embedded_BTH)
        for rows_N, _ in probe.points(self.samples):
            noisy_NTH = probe.embedded_BTH[rows_N] + _noise(probe, rows_N, scale_B, draw)
            total_BTH.index_add_(0, rows_N, probe.gradients(noisy_NTH, rows_N))
        return Scores(reduce_hidden(total_BTH / self.samples * probe.embedded_BTH, self.reduce, probe))


@dataclass(frozen=True)
class GradShap(GradShapOptions):
    """Expected gradients: the mean of dF/de at random points between the baseline and noisy copies of the input, times
    input less baseline (Lundberg and Lee 2017; Erion et al. 2019; as Captum's GradientShap with one baseline)."""

    needs_gradient: ClassVar[bool] = False

    def __call__(self, probe: Probe) -> Scores:
        baseline_BTH = probe.baseline(self.baseline)
        scale_B, draw = _spread(probe, self.noise), generators(probe.rows, self.seed)
        draw_along = generators(probe.rows, self.seed + 1)  # of its own: how many points share a pass changes nothing
        contribution_BTH = torch.zeros_like(probe.embedded_BTH)
        for rows_N, _ in probe.points(self.samples):
            along_N = torch.stack([torch.rand((), generator=draw_along[row]) for row in rows_N.tolist()])
            along_N11 = along_N.to(contribution_BTH).view(-1, 1, 1)
            path_NTH = probe.embedded_BTH[rows_N] + _noise(probe, rows_N, scale_B, draw) - baseline_BTH[rows_N]
            gradient_NTH = probe.gradients(baseline_BTH[rows_N] + along_N11 * path_NTH, rows_N)
            contribution_BTH.index_add_(0, rows_N, gradient_NTH * path_NTH / self.samples)
        error_B = completeness_error(contribution_BTH, baseline_BTH, probe)
        return Scores(reduce_hidden(contribution_BTH, self.reduce, probe), error_B)


def _spread(probe: Probe, noise: float) -> list[float]:
    """For each row the standard deviation of its noise; that of its embeddings is taken over its own tokens."""
    rows = zip(probe.embedded_BTH, probe.rows, strict=True)
    return [noise * float(embedded_TH[: len(row)].double().std()) for embedded_TH, row in rows]


def _noise(probe: Probe, rows_N: Tensor, scale_B: Sequence[float], draw: Sequence[torch.Generator]) -> Tensor:
    """(N, T, H) noise, one draw from the row's generator for each point; 0 in the padding."""
    n_tokens, n_hidden = probe.embedded_BTH.shape[1:]
    noise_NTH = torch.zeros(len(rows_N), n_tokens, n_hidden)
    for n, row in enumerate(rows_N.tolist()):
        length = len(probe.rows[row])
        noise_NTH[n, :length] = torch.randn(length, n_hidden, generator=draw[row]) * scale_B[row]
    return noise_NTH.to(probe.embedded_BTH)
