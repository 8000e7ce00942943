"""SIGTERM and SIGINT while a stage trains: the request is stored, and the loop ends after the current step.

A signal may reach only one process, or one process twice: torchrun passes it on to every process, DeepSpeed's launcher
to the first only, and a terminal sends Ctrl-C to all processes and the launcher passes it on again.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

ECHO_S = 2.0  # a repeated signal within this time is the launcher's copy; a later one ends the process at once


class StopRequest:
    """number: the signal received, or 0."""

    def __init__(self) -> None:
        self.number = 0
        self._noted_at = 0.0

    def note(self, number: int, _frame: object = None) -> None:
        """Store the first signal; end the process at once on a second."""
        if not self.number:
            self.number, self._noted_at = number, time.monotonic()
        elif time.monotonic() - self._noted_at > ECHO_S:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)


@contextlib.contextmanager
def stop_requests() -> Iterator[StopRequest]:
    """Within the block SIGTERM and SIGINT only set the request; the previous handlers are restored after it."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():  # only the main thread may set handlers
        yield request
        return
    with ending_signals(request.note):
        yield request


@contextlib.contextmanager
def ending_signals(handle: Callable[[int, Any], Any]) -> Iterator[None]:
    """Within the block `handle` receives SIGTERM and SIGINT; the previous handlers are restored after it."""
    before = {number: signal.signal(number, handle) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
