"""Checks that weights, and a model's answers for rows, are finite."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from final_project.errors import ArtifactError


class NotFinite(ArtifactError):
    """A model's answer for one row is not finite. row: its number; fault: what is wrong, without the row."""

    def __init__(self, row: int, fault: str):
        self.row, self.fault = row, fault
        super().__init__(f"row {row}: {fault}")


def weights_at_fault(weights: Iterable[tuple[str, Tensor]]) -> str:
    """A sentence about the weights that are not finite; empty if all are finite."""
    n_weights, faults = 0, []
    for name, value in weights:
        n_weights += 1
        held = value.to_local() if hasattr(value, "to_local") else value  # this rank's part of a sharded weight
        if held.is_floating_point() and not (finite := torch.isfinite(held)).all():
            faults.append(f"{name} ({int((~finite).sum()):,} of its {held.numel():,} numbers)")
    return f"{len(faults)} of {n_weights} weights are not finite, the first of them {faults[0]}" if faults else ""


def require_finite_weights(place: Any, weights: Iterable[tuple[str, Tensor]]) -> None:
    """place: where the weights are from. Raises ArtifactError naming the first weight that is not finite."""
    if fault := weights_at_fault(weights):
        raise ArtifactError(f"{place}: {fault}: the file is damaged, or its training had diverged")


def require_finite(values: np.ndarray, rows: Sequence[int], model: Any, what: str = "answer") -> None:
    """values: (B, ...), the model's answers for B rows; rows: their numbers. Raises NotFinite for the first row with a
    value that is not finite, and names the weight at fault if there is one."""
    bad_B = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
    if not bad_B.any():
        return
    weights = model.state_dict().items() if isinstance(model, torch.nn.Module) else ()
    cause = weights_at_fault(weights) or "all weights are finite, but their products exceed what the arithmetic holds"
    raise NotFinite(int(rows[int(bad_B.argmax())]), f"the model's {what} is not finite: {cause}")
