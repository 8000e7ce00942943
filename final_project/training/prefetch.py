"""Build the next items in a thread while the current one is used.

Building must be a pure function, so that building early changes nothing. It helps on CUDA, where the CPU would
otherwise wait for the device. On a CPU the thread competes with the training.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

Item = TypeVar("Item")
LOOK_EVERY_S = 0.1  # how often a thread with a full queue checks whether the consumer has gone


@contextmanager
def built_ahead(items: Iterable[Item], depth: int) -> Iterator[Iterator[Item]]:
    """Yield an iterator over the same items in the same order, up to `depth` of them built ahead; 0 = no thread.

    An error while building is raised where the item is taken. The thread ends with the block.
    """
    if depth == 0:
        yield iter(items)
        return
    built: queue.Queue[tuple[str, Any]] = queue.Queue(depth)
    is_over = threading.Event()

    def put(kind: str, value: Any) -> None:
        while not is_over.is_set():
            try:
                return built.put((kind, value), timeout=LOOK_EVERY_S)
            except queue.Full:
                continue

    def build() -> None:
        try:
            for item in items:
                put("item", item)
                if is_over.is_set():
                    return
            put("end", None)
        except BaseException as error:  # raised again by the consumer
            put("error", error)

    def taken() -> Iterator[Item]:
        while True:
            kind, value = built.get()
            if kind == "error":
                raise value
            if kind == "end":
                return
            yield value

    thread = threading.Thread(target=build, name="built_ahead", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        is_over.set()
        thread.join()
