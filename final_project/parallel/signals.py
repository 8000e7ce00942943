"""SIGTERM and SIGINT while a stage trains: they are noted, and the loop ends after its running step.

A signal may reach one process only, and launchers pass on what the process may have had already: torchrun to every
process, DeepSpeed's to the first one alone, a terminal's Ctrl-C to all and then once more through the launcher.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Iterator

ECHO_S = 2.0  # a signal that comes sooner after the first is the launcher's echo of it, a later one a second wish


class StopRequest:
    """number: the signal that has come, or 0."""

    def __init__(self) -> None:
        self.number = 0
        self._noted_at = 0.0

    def note(self, number: int, _frame: object = None) -> None:
        """Take the first signal down; end the process at once on a second."""
        if not self.number:
            self.number, self._noted_at = number, time.monotonic()
        elif time.monotonic() - self._noted_at > ECHO_S:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Within the block SIGTERM and SIGINT only set the request; after it they do again what they did before."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield request
        return
    before = {number: signal.signal(number, request.note) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
