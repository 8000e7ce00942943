"""Gradient times input, and integrated gradients along the straight path from a baseline.

With F the explained number, e the embeddings and e' the baseline (Sundararajan, Taly, Yan 2017; the published
solution's formula; docs/NUMERICS.md#attribution):

    contribution = (e - e') * sum_s w_s dF/de at e' + a_s (e - e')

Rules for a_s and w_s: `right` takes a_s = s/S, w_s = 1/S, the published Riemann sum; `midpoint` a_s = (s - 1/2)/S;
`gauss_legendre` the nodes and weights that are exact for polynomials of degree 2S - 1; `adaptive` places such nodes
where F moves, for each row (adaptive_path.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from final_project.method_options import GradientOptions, PathOptions
from similarity_v1.explain.methods.adaptive_path import gauss_rule, mean_gradient
from similarity_v1.explain.methods.method import Scores, completeness_error, reduce_hidden
from similarity_v1.explain.probe import Probe


@dataclass(frozen=True)
class GradientTimesInput(GradientOptions):
    needs_gradient: ClassVar[bool] = True

    def __call__(self, probe: Probe) -> Scores:
        return Scores(reduce_hidden(probe.gradient_at_input() * probe.embedded_BTH, self.reduce, probe))


@dataclass(frozen=True)
class IntegratedGradients(PathOptions):
    """The mean gradient along the straight path from a baseline, times input less baseline.

    Args:
        steps: points on the path, S. The completeness error shows whether S is enough.
        rule: where the points are: right, midpoint, gauss_legendre, or adaptive (where F changes most).
        tolerance: for the rule adaptive: largest completeness error, as a fraction of |F(e) - F(e')|. A row takes as
            many more steps as it needs; `Scores.steps_B` counts them. None: exactly `steps`.
        baseline: zero, mask or pad: the embeddings that the path starts from.
        reduce: l2, the norm over the hidden dimensions, never negative; or sum, signed.
    """

    needs_gradient: ClassVar[bool] = True

    def __call__(self, probe: Probe) -> Scores:
        baseline_BTH = probe.baseline(self.baseline)
        path_BTH = probe.embedded_BTH - baseline_BTH
        if self.rule == "adaptive":
            mean_BTH, steps_B = mean_gradient(probe, baseline_BTH, path_BTH, self.steps, self.tolerance)
        else:
            mean_BTH, steps_B = self._mean_gradient(probe, baseline_BTH, path_BTH), None
        contribution_BTH = mean_BTH * path_BTH
        error_B = completeness_error(contribution_BTH, baseline_BTH, probe)
        return Scores(reduce_hidden(contribution_BTH, self.reduce, probe), error_B, steps_B)

    def _mean_gradient(self, probe: Probe, baseline_BTH: Tensor, path_BTH: Tensor) -> Tensor:
        nodes, weights = path_rule(self.rule, self.steps)
        total_BTH = torch.zeros_like(path_BTH)
        if nodes[-1] == 1:  # the end of the path is the untouched forward, which has been made
            total_BTH += weights[-1] * probe.gradient_at_input()
            nodes, weights = nodes[:-1], weights[:-1]
        nodes_S, weights_S = (torch.tensor(x, dtype=path_BTH.dtype, device=path_BTH.device) for x in (nodes, weights))
        for rows_N, steps_N in probe.points(len(nodes_S)):
            along_N11 = nodes_S[steps_N].view(-1, 1, 1)
            gradient_NTH = probe.gradients(baseline_BTH[rows_N] + along_N11 * path_BTH[rows_N], rows_N)
            total_BTH.index_add_(0, rows_N, gradient_NTH * weights_S[steps_N].view(-1, 1, 1))
        return total_BTH


def path_rule(rule: str, steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes in (0, 1], rising, and weights that sum to 1."""
    if rule == "gauss_legendre":
        return gauss_rule(steps)
    shift = {"right": 0.0, "midpoint": 0.5}[rule]
    return (np.arange(1, steps + 1) - shift) / steps, np.full(steps, 1 / steps)
