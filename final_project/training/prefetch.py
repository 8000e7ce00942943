"""The next items are built in a thread while the current one is worked on.

What is built must be a pure function, so that building early changes nothing. It pays where the device works by
itself and the CPU would wait: on CUDA. On a CPU that trains, the thread takes from the training what it saves.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

Item = TypeVar("Item")
LOOK_EVERY_S = 0.1  # how soon a full queue notices that nobody takes any more


@contextmanager
def built_ahead(items: Iterable[Item], depth: int) -> Iterator[Iterator[Item]]:
    """Yield an iterator over the same items in the same order, up to `depth` of them built ahead; 0 = no thread.

    An error while building is raised where the item would have been taken. However the block ends, the thread ends.
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
        except BaseException as error:  # it belongs to whoever takes the items
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
