"""Locks by which one thread at a time uses a model or tokenizer.

An explanation sets hooks and modes on its model, and a tokenizer keeps its truncation as state, so two threads that use
one object at the same time would mix their rows.
"""

from __future__ import annotations

import contextlib
import threading
import weakref
from collections.abc import Iterator
from typing import Any

_LOCKS: weakref.WeakKeyDictionary[Any, threading.RLock] = weakref.WeakKeyDictionary()
_TABLE = threading.Lock()


@contextlib.contextmanager
def alone_with(*things: Any) -> Iterator[None]:
    """Hold the lock of each object, whichever Explainer, Judge or PairClassifier uses it; other threads wait. A thread
    may enter again. All threads take locks in the same order, so that no two wait for each other."""
    with _TABLE:
        locks = [_LOCKS.setdefault(thing, threading.RLock()) for thing in sorted(things, key=id)]
    with contextlib.ExitStack() as stack:
        for lock in locks:
            stack.enter_context(lock)
        yield
