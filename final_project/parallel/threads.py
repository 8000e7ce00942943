"""The number of threads that torch computes with."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import torch


@contextlib.contextmanager
def cpu_threads(n_threads: int) -> Iterator[None]:
    """Compute with n_threads inside the block. Defaults of launchers and cores differ between one process and several,
    and the number of threads changes the last digits: it decides how a matrix product's sums are split."""
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        yield
    finally:
        torch.set_num_threads(before)
