"""Training speed: real tokens per second, padding, operations per second and as a share of the device's peak.

Operations are counted as in Chowdhery et al. 2022 (PaLM), appendix B: 6 operations for each weight of a matrix product
and token (2 forward, 4 backward), and 12 L H T^2 for the attention of a row of T tokens in L layers of width H. Only
real tokens count, not padding; a head counts at the positions that it predicts.
"""

from __future__ import annotations

import contextlib
import functools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import psutil
import torch
from torch import nn
from transformers import PreTrainedModel

from final_project.model.heads.classifier import PooledClassifier
from final_project.settings import Precision

DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
PEAK_SIZE = {
    "cpu": 768,
    "cuda": 8192,
}  # matrix size for the peak: large enough for full speed, done in a fraction of a second
PEAK_S = 0.15


@dataclass(frozen=True)
class ModelWork:
    """body: weights of the matrix products applied to every token; head: of those applied to predicted positions.
    passes: forward and backward passes of a step over the same tokens (2 with an adversarial pass; a direction-only
    pass counts less than one)."""

    body: int
    head: int
    n_layers: int
    hidden_size: int
    passes: float = 1

    def flops(self, lengths: np.ndarray, n_predicted: int, passes: float | None = None) -> float:
        """Operations of one step on rows of these lengths in tokens. passes: of this step; None: as said above."""
        lengths = lengths.astype(np.float64)
        attention = 12.0 * self.n_layers * self.hidden_size * float((lengths**2).sum())
        n_passes = self.passes if passes is None else passes
        return n_passes * (6.0 * self.body * float(lengths.sum()) + attention + 6.0 * self.head * n_predicted)


def count_model_work(model: PreTrainedModel | PooledClassifier, passes: float = 1) -> ModelWork:
    """Count the weights of a plain model, before an engine shards them."""
    body = head = 0
    encoder = {module for name, module in model.base_model.named_modules() if not name.startswith("pooler")}
    for module in model.modules():
        if isinstance(module, nn.Linear):
            if module in encoder:
                body += module.weight.numel()
            else:
                head += module.weight.numel()
    return ModelWork(body, head, model.config.num_hidden_layers, model.config.hidden_size, passes)


@functools.lru_cache
def peak_flops(device: torch.device, precision: Precision) -> float:
    """Operations per second of the fastest of several matrix products: a measured peak, not the data sheet's."""
    size = PEAK_SIZE.get(device.type, PEAK_SIZE["cpu"])
    generator = torch.Generator(device).manual_seed(
        0
    )  # a separate generator, so that training's random numbers do not change
    square = torch.randn(size, size, generator=generator, device=device).to(DTYPES[precision])
    best_s, ends_at = float("inf"), time.monotonic() + PEAK_S
    while best_s == float("inf") or time.monotonic() < ends_at:
        began = time.perf_counter()
        torch.mm(square, square)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        best_s = min(best_s, time.perf_counter() - began)
    return 2.0 * size**3 / best_s


class Meter:
    """Figures of the steps since the last reading: rows of all ranks, time of this rank."""

    def __init__(self, lengths: np.ndarray, work: ModelWork | None, peak: float, device: torch.device):
        """lengths: tokens of every row. peak: operations per second of all devices together."""
        self._lengths, self._work, self._peak, self._device = lengths, work, peak, device
        self._start()

    def add(
        self,
        micro_batches: Sequence[np.ndarray],
        n_predicted: int | None,
        n_computed: int | None,
        passes: float | None = None,
    ) -> None:
        """Count one step of micro-batches of row numbers.

        n_predicted: positions that the head predicts; None: one per row. n_computed: tokens including padding; None:
        every row as long as the longest of its micro-batch. passes: of this step; None: those of the ModelWork.
        """
        lengths = self._lengths[np.concatenate(micro_batches)]
        if n_computed is None:
            n_computed = sum(len(rows) * int(self._lengths[rows].max()) for rows in micro_batches)
        self._rows += len(lengths)
        self._tokens += int(lengths.sum())
        self._computed += n_computed
        if self._work is not None:
            self._flops += self._work.flops(lengths, len(lengths) if n_predicted is None else n_predicted, passes)

    @contextlib.contextmanager
    def paused(self) -> Iterator[None]:
        """Exclude the block's time (evaluation, checkpoint) from the rates."""
        began = time.monotonic()
        yield
        self._began += time.monotonic() - began

    def read(self) -> dict[str, float]:
        """Figures since the last reading, and the memory of this process (CUDA: its peak on the device)."""
        elapsed_s = max(1e-9, time.monotonic() - self._began)
        figures = {
            "rows_per_s": round(self._rows / elapsed_s, 2),
            "tokens_per_s": round(self._tokens / elapsed_s, 1),
            "padding": round(1.0 - self._tokens / max(1, self._computed), 4),
            "memory_mb": round(memory_bytes(self._device) / 1e6, 1),
        }
        if self._work is not None:
            figures["gflops_per_s"] = round(self._flops / elapsed_s / 1e9, 3)
            figures["peak_share"] = round(self._flops / elapsed_s / self._peak, 4)
        self._start()
        return figures

    def _start(self) -> None:
        self._began = time.monotonic()
        self._rows = self._tokens = self._computed = 0
        self._flops = 0.0


def memory_bytes(device: torch.device) -> int:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    return psutil.Process().memory_info().rss
