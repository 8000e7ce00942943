"""What the processes of one run have in common: one message for a fault of all, one number of threads."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import TypeVar

import torch

from final_project.errors import ProjectError
from final_project.training.world import World

Value = TypeVar("Value")


def together(world: World, work: Callable[[], Value]) -> Value:
    """Do the work on every process. Where it fails, the first of those on which it did alone tells; all end with its
    status."""
    problem = None
    try:
        value = work()
    except ProjectError as error:
        problem = error
    statuses = world.gather(problem and problem.exit_status)
    failed = [rank for rank, status in enumerate(statuses) if status is not None]
    if not failed:
        return value
    if world.rank == failed[0]:
        raise problem
    raise SystemExit(statuses[failed[0]])


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
