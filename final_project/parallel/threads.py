"""How many threads a process computes with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def cpu_threads(n_threads: int) -> Iterator[None]:
    """Compute with so many threads while open. What launchers and cores suggest would differ between one process and
    several, and with it the last digits: a matrix product's sums are cut where its threads meet."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
