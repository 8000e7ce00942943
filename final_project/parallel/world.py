"""The processes of one run: rank, size, device, and the collectives in use, which are no-ops on one process."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from final_project.errors import EnvironmentProblem, ProjectError, first_line

Value = TypeVar("Value")


@dataclass(frozen=True)
class World:
    rank: int = 0
    size: int = 1
    device: torch.device = field(default_factory=lambda: torch.device("cpu"))

    @property
    def is_first(self) -> bool:
        return self.rank == 0

    def barrier(self) -> None:
        if self.size > 1:
            dist.barrier()

    def sum(self, *values: float) -> list[float]:
        """Each value summed over all ranks, in float64."""
        total = torch.tensor(values, dtype=torch.float64, device=self.device)
        if self.size > 1:
            dist.all_reduce(total)
        return total.tolist()

    def gather(self, value: Any) -> list[Any]:
        """The value of every rank, in order of rank, on every rank."""
        if self.size == 1:
            return [value]
        values: list[Any] = [None] * self.size
        dist.all_gather_object(values, value)
        return values

    def run_on_all_ranks(self, work: Callable[[], Value]) -> Value:
        """Call `work` on every rank; returns this rank's value. If it fails on any rank, the lowest of those prints
        its error once, and all ranks exit with that status."""
        if self.size == 1:
            return work()
        values: list[Value] = []
        problem: ProjectError | None = None
        try:
            values.append(work())
        except ProjectError as error:
            problem = error
        statuses = self.gather(problem.exit_status if problem else 0)
        failed = [rank for rank, status in enumerate(statuses) if status]
        if not failed:
            return values[0]
        if self.rank == failed[0]:
            print(f"error: {problem}", file=sys.stderr, flush=True)
        self.barrier()  # torchrun kills the others as soon as one exits, so the message would be lost
        raise SystemExit(statuses[failed[0]])


@contextlib.contextmanager
def started_world(needs_group: bool = False, patience_s: int = 1800) -> Iterator[World]:
    """The world that the launcher's environment describes (torchrun, DeepSpeed's launcher, or none).

    needs_group: start a process group even for one process, as fairscale and DeepSpeed expect. patience_s: timeout
    of a collective. Raises EnvironmentProblem if another process is missing, has ended or does not answer in time.
    """
    size, rank, local_rank = (_number(name, default) for name, default in
                              (("WORLD_SIZE", 1), ("RANK", 0), ("LOCAL_RANK", 0)))  # fmt: skip
    if size > 1 and (absent := [name for name in ("MASTER_ADDR", "MASTER_PORT") if not os.environ.get(name)]):
        raise EnvironmentProblem(
            f"WORLD_SIZE is {size}, but {' and '.join(absent)} is not set: start the processes with bash run.sh, "
            "torchrun or DeepSpeed's launcher; for one process unset WORLD_SIZE and RANK"
        )
    device = _device(local_rank)
    grouped = size > 1 or needs_group
    try:
        if grouped:
            backend, timeout = "nccl" if device.type == "cuda" else "gloo", timedelta(seconds=patience_s)
            if size > 1:
                dist.init_process_group(backend, timeout=timeout)
            else:
                dist.init_process_group(backend, timeout=timeout, store=dist.HashStore(), rank=0, world_size=1)
        yield World(rank, size, device)
    except RuntimeError as error:
        if size > 1 and "EADDRINUSE" in str(error):
            address, port = os.environ["MASTER_ADDR"], os.environ["MASTER_PORT"]
            raise EnvironmentProblem(
                f"port {port} of {address} is taken by another program; set MASTER_PORT to a free one, the same on all "
                "machines"
            ) from error
        if size == 1 or not _is_about_others(error):
            raise
        raise EnvironmentProblem(
            f"process {rank} of {size} lost another process, which has ended or does not answer ({_brief(error)}); "
            "the same command resumes from the last checkpoint"
        ) from error
    finally:
        if dist.is_initialized():
            dist.destroy_process_group()


def _number(name: str, default: int) -> int:
    text = os.environ.get(name, str(default))
    try:
        return int(text)
    except ValueError as error:
        problem = f"{name} must be a whole number, found {text!r}: leave it to the launcher, or unset it"
        raise EnvironmentProblem(problem) from error


def _brief(error: RuntimeError) -> str:
    return first_line(error).split(". ")[0]


def _is_about_others(error: RuntimeError) -> bool:
    """Whether a collective failed because of another process. NCCL's errors have their own type, gloo's name gloo."""
    return isinstance(error, dist.DistError) or "gloo" in str(error)


def _device(local_rank: int) -> torch.device:
    if not torch.cuda.is_available():
        return torch.device("cpu")
    count = torch.cuda.device_count()
    if local_rank >= count:
        raise EnvironmentProblem(f"this machine has {count} CUDA devices, process {local_rank} has none: lower --nproc")
    torch.cuda.set_device(local_rank)
    return torch.device("cuda", local_rank)
