"""Requests wait in a line of bounded length for one model, which answers as many of them together as wait.

One thread alone runs the model: its hooks belong to one pass at a time, and torch spreads a pass over the cores anyway.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any


class LineIsFull(Exception):
    """So many wait already that one more would wait too long."""


class Stopping(Exception):
    """The server is about to end."""


class WaitingLine:
    """Use: `start()` and `stop()` around serving, `answer(row)` for each request."""

    def __init__(self, answer_rows: Callable[[Sequence[Any]], Sequence[Any]], longest: int, batch: int):
        """answer_rows: rows -> an answer each, in order. Where it raises anything, it is asked again row by row."""
        self._answer_rows, self._batch = answer_rows, batch
        self._line: asyncio.Queue[tuple[Any, asyncio.Future]] = asyncio.Queue(longest)
        self._thread = ThreadPoolExecutor(1, "model")
        self._worker: asyncio.Task | None = None

    @property
    def n_waiting(self) -> int:
        return self._line.qsize()

    async def answer(self, row: Any) -> Any:
        """The answer to one row. Raises LineIsFull, Stopping, or the error that this row is to blame for."""
        if self._worker is None or self._worker.done():
            raise Stopping
        future = asyncio.get_running_loop().create_future()
        try:
            self._line.put_nowait((row, future))
        except asyncio.QueueFull:
            raise LineIsFull from None
        return await future

    def start(self) -> None:
        self._worker = asyncio.create_task(self._work())

    async def stop(self) -> None:
        """Refuse whoever still waits. A pass that runs is not waited for."""
        if self._worker is not None:
            self._worker.cancel()
            await asyncio.gather(self._worker, return_exceptions=True)
        while not self._line.empty():
            _settle(self._line.get_nowait()[1], Stopping())
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _work(self) -> None:
        while True:
            waiting = [await self._line.get()]
            while len(waiting) < self._batch and not self._line.empty():
                waiting.append(self._line.get_nowait())
            waiting = [(row, future) for row, future in waiting if not future.cancelled()]  # clients that went away
            try:
                await self._serve(waiting)
            except asyncio.CancelledError:
                for _, future in waiting:
                    _settle(future, Stopping())
                raise

    async def _serve(self, waiting: Sequence[tuple[Any, asyncio.Future]]) -> None:
        loop = asyncio.get_running_loop()
        try:
            answers = await loop.run_in_executor(self._thread, self._answer_rows, [row for row, _ in waiting])
        except Exception as error:  # a row that cannot be explained, or a defect: the server lives on
            if len(waiting) == 1:
                return _settle(waiting[0][1], error)
            for one in waiting:  # the row to blame must not cost the others their answers
                await self._serve([one])
            return
        for (_, future), answer in zip(waiting, answers, strict=True):
            _settle(future, answer)


def _settle(future: asyncio.Future, outcome: Any) -> None:
    """Unless the client has gone away meanwhile."""
    if future.done():
        return
    if isinstance(outcome, BaseException):
        future.set_exception(outcome)
    else:
        future.set_result(outcome)
