"""torchrun, with the end that its processes had: their exit status and one line, where torchrun itself ends with a
traceback and status 1.

    python -m final_project.training.torchrun --nproc-per-node=4 --standalone -m similarity_v0 --recipe ...
"""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence

from torch.distributed import run
from torch.distributed.elastic.multiprocessing import SignalException
from torch.distributed.elastic.multiprocessing.errors import ChildFailedError


def main(argv: Sequence[str]) -> int:
    """Run the processes; returns 0, the status of the one that failed first, or 128 + the signal that ended them."""
    try:
        run.main(list(argv))
    except SignalException as error:
        return 128 + error.sigval
    except ChildFailedError as error:
        rank, failure = error.get_first_failure()
        if failure.exitcode >= 0:
            return failure.exitcode
        name = signal.Signals(-failure.exitcode).name
        print(f"error: process {rank} was ended by {name}; the same command goes on from the last checkpoint",
              file=sys.stderr)  # fmt: skip
        return 128 - failure.exitcode
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
