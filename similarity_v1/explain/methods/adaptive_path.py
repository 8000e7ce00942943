"""The mean gradient along a path, taken where the explained number F moves.

A sharply trained model decides within a small part of the path, which evenly laid points step over. So F is looked at
first, by forward passes alone; the path is cut into panels, narrow where F bends, and each panel gets a small Gauss
rule of its own. The points of a row depend on its own F alone, and continuously, so batch and order change nothing.

With a tolerance the panels are halved until they add up: the sum over a panel of gradient times path ought to be the
rise of F over it, which is known. The deviations of a row's panels, without their signs, stay below the tolerance times
|F(e) - F(e')| together, rounding aside; no panel's error can hide another's.
Shapes: B rows, K panels of any rows, N points at a time, T tokens, H hidden, M looks at F.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from similarity_v1.explain.probe import Probe

LOOKS = 64  # forward passes before the first gradient: their time is that of some twenty gradients
PANEL_STEPS = 5  # exact for polynomials of degree 9; more points a panel leave fewer panels to follow F with
EVENLY = 0.2  # of the panels' density, wherever F bends: what bends between two looks is met all the same
ROUNDING = 1e-3  # of F's range, added to its bends: more than a thousand times what single precision makes up
MOST_STEPS = 2000  # of a row, whatever its tolerance


@dataclass(frozen=True)
class Panels:
    """Parts of paths. rows_K: whose. begin_K, end_K: from where to where, as shares of the path."""

    rows_K: np.ndarray
    begin_K: np.ndarray
    end_K: np.ndarray
    steps_K: np.ndarray

    def __len__(self) -> int:
        return len(self.rows_K)

    def some(self, which: np.ndarray | slice) -> Panels:
        return Panels(self.rows_K[which], self.begin_K[which], self.end_K[which], self.steps_K[which])

    def halves(self) -> Panels:
        middle_K = (self.begin_K + self.end_K) / 2
        begin, end = np.append(self.begin_K, middle_K), np.append(middle_K, self.end_K)
        return Panels(np.tile(self.rows_K, 2), begin, end, np.tile(self.steps_K, 2))

    def per_row(self, values_K: np.ndarray, n_rows: int) -> np.ndarray:
        """Sums over the panels of each row, (B,)."""
        return np.bincount(self.rows_K, weights=values_K, minlength=n_rows)


@dataclass(frozen=True)
class Path:
    """The straight way from the baseline to e, for each row of a batch."""

    probe: Probe
    baseline_BTH: Tensor
    path_BTH: Tensor

    def points(self, rows_N: np.ndarray, along_N: np.ndarray) -> tuple[Tensor, Tensor]:
        """(N, T, H) points at these shares of the paths of these rows, and the rows as a tensor."""
        rows = torch.as_tensor(rows_N, device=self.path_BTH.device)
        along_N11 = torch.as_tensor(along_N, device=rows.device).to(self.path_BTH.dtype).view(-1, 1, 1)
        return self.baseline_BTH[rows] + along_N11 * self.path_BTH[rows], rows

    def values(self, rows_N: np.ndarray, along_N: np.ndarray) -> np.ndarray:
        """F at these shares of the paths of these rows, (N,)."""
        found = []
        for part in _cuts(len(rows_N), self.probe.at_once):
            found.append(self.probe.values(*self.points(rows_N[part], along_N[part])).double().cpu().numpy())
        return np.concatenate(found) if found else np.zeros(0)

    def gradient_over(self, panels: Panels) -> Tensor:
        """The integral of the gradient over each panel, (K, T, H), for so few panels that these fit."""
        nodes, weights = zip(*(gauss_rule(int(steps)) for steps in panels.steps_K), strict=True)
        of_panel_N = np.repeat(np.arange(len(panels)), panels.steps_K)
        width_N = (panels.end_K - panels.begin_K)[of_panel_N]
        along_N = panels.begin_K[of_panel_N] + np.concatenate(nodes) * width_N
        weight_N = torch.as_tensor(np.concatenate(weights) * width_N).to(self.path_BTH)
        sums_KTH = torch.zeros_like(self.path_BTH[:1]).repeat(len(panels), 1, 1)
        for part in _cuts(len(along_N), self.probe.at_once):
            gradient_NTH = self.probe.gradients(*self.points(panels.rows_K[of_panel_N[part]], along_N[part]))
            where_N = torch.as_tensor(of_panel_N[part], device=sums_KTH.device)
            sums_KTH.index_add_(0, where_N, gradient_NTH * weight_N[part].view(-1, 1, 1))
        return sums_KTH


def mean_gradient(
    probe: Probe, baseline_BTH: Tensor, path_BTH: Tensor, steps: int, tolerance: float | None
) -> tuple[Tensor, np.ndarray]:
    """(mean of dF/de along the path, (B, T, H), and the number of gradients that each row took, (B,)): `steps`, or with
    a tolerance as many as it needs from there on, at most MOST_STEPS. Before them LOOKS forward passes."""
    path = Path(probe, baseline_BTH, path_BTH)
    looks_BM = _looks(path)
    open_panels = first_panels(looks_BM, steps)
    n_rows = len(path_BTH)
    allowed_B = np.full(n_rows, np.inf)
    if tolerance is not None:
        allowed_B = tolerance * np.abs(looks_BM[:, -1] - looks_BM[:, 0])
    # a panel that is off by no more than the model's arithmetic gains nothing from being halved
    epsilon = torch.finfo(torch.bfloat16 if probe.reading.precision == "bf16" else torch.float32).eps
    rounding_B = 2 * epsilon * np.maximum(np.abs(looks_BM).max(axis=1), 1)
    total_BTH, taken_B = torch.zeros_like(path_BTH), np.zeros(n_rows)
    while len(open_panels):
        now_B = open_panels.per_row(open_panels.steps_K, n_rows)
        taken_B += now_B
        # each panel may be off by an equal part of what is left
        limit_B = allowed_B / np.maximum(open_panels.per_row(np.ones(len(open_panels)), n_rows), 1)
        limit_B = np.maximum(limit_B, rounding_B)
        limit_B[taken_B + 2 * now_B > MOST_STEPS] = np.inf
        unfinished = []
        for panels in _groups(open_panels, probe.at_once):
            sums_KTH = path.gradient_over(panels)
            off_K = _off(path, panels, sums_KTH) if tolerance is not None else np.zeros(len(panels))
            kept_K = off_K <= limit_B[panels.rows_K]
            kept = panels.some(kept_K)
            rows = torch.as_tensor(kept.rows_K, device=total_BTH.device)
            total_BTH.index_add_(0, rows, sums_KTH[torch.as_tensor(kept_K, device=rows.device)])
            allowed_B -= kept.per_row(off_K[kept_K], n_rows)
            unfinished.append(panels.some(~kept_K).halves())
        open_panels = _joined(unfinished)
    return total_BTH, taken_B.astype(int)


def first_panels(looks_BM: np.ndarray, steps: int) -> Panels:
    """As many panels a row as PANEL_STEPS points each make of the steps; where that leaves some over, the first panels
    have a point more."""
    n_rows, n_panels = len(looks_BM), max(steps // PANEL_STEPS, 1)
    edges = np.stack([panel_edges(looks_M, n_panels) for looks_M in looks_BM])
    steps_K = np.full(n_panels, steps // n_panels) + (np.arange(n_panels) < steps % n_panels)
    rows_K = np.repeat(np.arange(n_rows), n_panels)
    return Panels(rows_K, edges[:, :-1].ravel(), edges[:, 1:].ravel(), np.tile(steps_K, n_rows))


def panel_edges(looks_M: np.ndarray, n_panels: int) -> np.ndarray:
    """F at M evenly spaced places from 0 to 1 -> edges of the panels, rising from 0 to 1.

    Every panel holds the same share of the square root of |fourth difference of F|, which is about where a Gauss rule
    of a few points errs. A continuous function of F: its rounding moves the edges by no more than that.
    """
    bends = np.convolve(np.pad(np.abs(np.diff(looks_M, 4)), 3, mode="edge"), np.array([1, 3, 3, 1]) / 8, "valid")
    bends = np.sqrt(bends + ROUNDING * np.ptp(looks_M))
    density = EVENLY / len(bends) + (1 - EVENLY) * bends / max(bends.sum(), np.finfo(float).tiny)
    held = np.append(0.0, density.cumsum())
    return np.interp(np.linspace(0, 1, n_panels + 1), held / held[-1], np.linspace(0, 1, len(held)))


def _looks(path: Path) -> np.ndarray:
    """F at 0, 1/LOOKS, ... 1 of each row's path, (B, M). The last is the untouched forward, which has been made."""
    n_rows = len(path.path_BTH)
    rows, places = np.tile(np.arange(n_rows), LOOKS), np.repeat(np.arange(LOOKS), n_rows)
    seen_BM = path.values(rows, places / LOOKS).reshape(LOOKS, n_rows).T
    return np.column_stack([seen_BM, path.probe.value_B.double().cpu().numpy()])


def _off(path: Path, panels: Panels, sums_KTH: Tensor) -> np.ndarray:
    """|rise of F over a panel - the sum over it of gradient times path|, (K,)."""
    at_edges = path.values(np.tile(panels.rows_K, 2), np.append(panels.begin_K, panels.end_K))
    rise_K = at_edges[len(panels) :] - at_edges[: len(panels)]
    rows = torch.as_tensor(panels.rows_K, device=sums_KTH.device)
    mask_KT = path.probe.mask_BT[rows]
    found_K = ((sums_KTH * path.path_BTH[rows]).sum(dim=-1) * mask_KT).sum(dim=-1)
    return np.abs(rise_K - found_K.double().cpu().numpy())


@cache
def gauss_rule(steps: int) -> tuple[np.ndarray, np.ndarray]:
    """Nodes in (0, 1), rising, and weights that sum to 1: exact for polynomials of degree 2 steps - 1."""
    nodes, weights = np.polynomial.legendre.leggauss(steps)
    return (nodes + 1) / 2, weights / 2


def _groups(panels: Panels, at_once: int) -> Iterator[Panels]:
    """The panels, as many at a time as one pass takes the points of, at least one."""
    n_panels = max(at_once // int(panels.steps_K.max()), 1)
    return (panels.some(part) for part in _cuts(len(panels), n_panels))


def _cuts(length: int, at_once: int) -> Iterator[slice]:
    return (slice(begin, begin + at_once) for begin in range(0, length, at_once))


def _joined(parts: list[Panels]) -> Panels:
    names = ("rows_K", "begin_K", "end_K", "steps_K")
    return Panels(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))
