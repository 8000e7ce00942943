"""torchrun that returns its workers' exit status and a one-line error instead of status 1 and a traceback.

python -m final_project.parallel.torchrun --nproc-per-node=4 --standalone -m similarity_v0 --recipe ...
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import sys
from collections.abc import Sequence

import psutil
from torch.distributed import DistError, run
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError, ProcessFailure
from torch.distributed.elastic.rendezvous import RendezvousError

from final_project.errors import first_line

GRACE_S = 300  # seconds from a signal to SIGKILL: writing a large checkpoint takes longer than torchrun's 30


def main(argv: Sequence[str]) -> int:
    """Run the processes; returns 0, the status of the one that failed first, or 128 + the signal that ended them."""
    os.environ.setdefault("TORCH_ELASTIC_SHUTDOWN_TIMEOUT", str(GRACE_S))
    # this logger repeats what is reported below
    logging.getLogger("torch.distributed.elastic.multiprocessing.api").setLevel(logging.CRITICAL)
    try:
        run.main(list(argv))
    except SignalException as error:
        wait_for_children()
        return 128 + error.sigval
    except ChildFailedError as error:
        rank, failure = min(error.failures.items(), key=lambda failed: failure_priority(*failed))
        if failure.exitcode >= 0:
            return failure.exitcode
        name = signal.Signals(-failure.exitcode).name
        print(
            f"error: process {rank} was ended by {name}; the same command resumes from the last checkpoint",
            file=sys.stderr,
        )
        return 128 - failure.exitcode
    except (DistError, RendezvousError) as error:
        taken = "EADDRINUSE" in str(error)
        way_out = "; set MASTER_PORT to a free port, the same on every machine" if taken else ""
        print(f"error: the machines could not connect to each other ({first_line(error)}){way_out}", file=sys.stderr)
        return 1
    return 0


def failure_priority(rank: int, failure: ProcessFailure) -> tuple[int, int, int]:
    """Sort key of failures that torchrun saw at once: first a process that was killed, then those that lost their
    connection to it, last those that torchrun itself terminated."""
    if failure.exitcode >= 0:
        return 1, failure.timestamp, rank
    return (2 if failure.exitcode == -signal.SIGTERM else 0), failure.timestamp, rank


def wait_for_children() -> None:
    """Wait until the processes have ended. torchrun waits too, but a second signal interrupts its wait, and a cluster
    that signals all processes at once sends two: one directly, one passed on by run.sh."""
    children = psutil.Process().children()

    def pass_on(number: int, _frame: object) -> None:
        for child in children:
            with contextlib.suppress(psutil.NoSuchProcess):
                child.send_signal(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, pass_on)
    _, alive = psutil.wait_procs(children, timeout=GRACE_S)
    for child in alive:
        child.kill()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
