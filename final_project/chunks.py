"""Streams in pieces that fit into memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")


def in_chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """Yield the items in lists of `size`; the last list may be shorter, and none is empty."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk
