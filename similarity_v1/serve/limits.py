"""Limits of the local page: sizes, times, rates. A request beyond one is refused with the reason."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, field

MAX_CLIENTS = 4096  # remembered at a time; the least recent one is dropped first


@dataclass(frozen=True)
class Limits:
    """metadata["about"] is what --help says."""

    max_chars: int = field(default=512, metadata={"about": "most characters of one text"})
    max_body_bytes: int = field(default=16_384, metadata={"about": "most bytes of a request's body"})
    header_timeout_s: float = field(default=10.0, metadata={"about": "seconds within which the headers must arrive"})
    body_timeout_s: float = field(default=10.0, metadata={"about": "seconds within which a body must arrive"})
    rate: float = field(default=5.0, metadata={"about": "requests a second of one client, in the long run"})
    burst: int = field(default=60, metadata={"about": "requests that a client may send at once"})
    connections: int = field(default=256, metadata={"about": "connections that a client may hold at once"})
    queue: int = field(default=128, metadata={"about": "requests that wait for the model"})
    batch: int = field(default=16, metadata={"about": "most waiting requests that the model answers together"})


class RateLimiter:
    """A token bucket for each client: it holds `burst` requests and fills up by `rate` a second."""

    def __init__(self, rate: float, burst: int):
        self.rate, self.burst = rate, burst
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()  # client -> (requests left, when)

    def wait_s(self, client: str, now: float) -> int:
        """0 if the client may proceed, which takes one request from its bucket; else whole seconds until it may."""
        left, when = self._buckets.pop(client, (float(self.burst), now))
        left = min(left + (now - when) * self.rate, float(self.burst))
        allowed = left >= 1
        self._buckets[client] = (left - 1 if allowed else left, now)
        if len(self._buckets) > MAX_CLIENTS:
            self._buckets.popitem(last=False)
        return 0 if allowed else max(math.ceil((1 - left) / self.rate), 1)
