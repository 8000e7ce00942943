"""How far P(1) is from the share of pairs that are 1. Shapes: B pairs."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.metrics import log_loss

N_BINS = 15  # Guo et al. 2017


def reliability(probabilities_B: np.ndarray, labels_B: np.ndarray) -> dict[str, Any]:
    """How good probabilities are: nll (nats), brier (mean squared error), and for bins of equal width and of equal mass
    the expected calibration error with the table that a reliability picture draws.

    ECE = sum over bins of n_bin / B * |share of label 1 - mean P(1)|, bins of P(1): Naeini et al. 2015 with equal
    width, Nguyen and O'Connor 2015 with equal mass. Equal probabilities are always in one bin.
    """
    p, labels = np.asarray(probabilities_B, dtype=np.float64), np.asarray(labels_B)
    figures: dict[str, Any] = {
        "nll": float(log_loss(labels, p, labels=[0, 1])),
        "brier": float(np.mean((p - labels) ** 2)),
    }
    edges = {
        "equal_width": np.linspace(0, 1, N_BINS + 1),
        "equal_mass": np.unique(np.quantile(p, np.linspace(0, 1, N_BINS + 1))),
    }
    for kind, edges_of_kind in edges.items():
        bins = _bins(p, labels, edges_of_kind)
        figures[f"ece_{kind}"] = sum(b["n"] * abs(b["share_positive"] - b["mean_probability"]) for b in bins) / len(p)
        figures[f"bins_{kind}"] = bins
    return figures


def _bins(p_B: np.ndarray, labels_B: np.ndarray, edges: np.ndarray) -> list[dict[str, float]]:
    """Bins (low, high], the first one closed; those without a pair are left out."""
    bin_B = np.searchsorted(edges[1:-1], p_B, side="left")
    return [
        {
            "low": float(edges[at]),
            "high": float(edges[min(at + 1, len(edges) - 1)]),
            "n": int((bin_B == at).sum()),
            "mean_probability": float(p_B[bin_B == at].mean()),
            "share_positive": float(labels_B[bin_B == at].mean()),
        }
        for at in np.unique(bin_B)
    ]
