"""Steps without a finite loss or gradient: the engines skip them, the guard counts them and ends the run after many in
a row.

A single bad step comes from a rare batch or an overflow and does no harm. Several in a row do not end by themselves;
the rows of the last one are written to a file for inspection.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
from transformers import PreTrainedTokenizerBase

from final_project.artifacts import write_json
from final_project.errors import TrainingError
from final_project.tokens.token_table import TokenTable

log = logging.getLogger(__name__)


class FiniteGuard:
    """bad: bad steps since the start. in_a_row: bad steps since the last good one."""

    def __init__(self, most: int, path: Path | None, label: str):
        """most: number of bad steps in a row that ends the run. path: file for the rows of the last one; None on every
        rank but the first."""
        self.bad = self.in_a_row = 0
        self._most, self._path, self._label = most, path, label

    def check(
        self, step: int, figures: dict[str, float], rows: Callable[[], list[dict]], scale_can_fall: bool = False
    ) -> None:
        """Count the step if it is bad; the figures are the same on all ranks. rows: returns the step's rows.

        scale_can_fall: fp16's loss scale can still be lowered, so an infinite gradient of a finite loss is no fault.
        Raises TrainingError on every rank after too many bad steps in a row.
        """
        is_finite = math.isfinite(figures["loss"])
        if is_finite and (scale_can_fall or math.isfinite(figures.get("grad_norm", 0.0))):
            self.in_a_row = 0
            return
        self.bad += 1
        self.in_a_row += 1
        found = ", ".join(f"{name} {figures[name]}" for name in ("loss", "grad_norm") if name in figures)
        log.warning("%s: step %d: %s: nothing was updated (%d so far)", self._label, step, found, self.bad)
        if self.in_a_row < self._most:
            return
        message = f"{self._label}: {self.in_a_row} steps in a row, up to step {step}, had no finite gradient ({found})"
        if self._path is not None:
            write_json(self._path, {"step": step, "rows": rows()})
            message += f"; the rows of the last one are in {self._path}"
        raise TrainingError(f"{message}. A lower lr or precision=fp32 may help")

    def state(self) -> dict[str, int]:
        return {"bad": self.bad, "in_a_row": self.in_a_row}

    def restore(self, state: dict[str, int]) -> None:
        self.bad, self.in_a_row = state["bad"], state["in_a_row"]


def describe_rows(table: TokenTable, rows: np.ndarray, tokenizer: PreTrainedTokenizerBase) -> list[dict]:
    """Rows of a token table in readable form: row number, token ids, text."""
    return [
        {"row": int(row), "token_ids": ids.tolist(), "text": tokenizer.decode(ids)}
        for row, ids in zip(rows, table[rows].ids_of_each(), strict=True)
    ]
