"""Connections, as long as they are no requests yet: headers have a deadline, and one client holds so many at most.

uvicorn itself waits for headers without end, and takes connections from anyone until no more are left.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import Any

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from final_project import strict_json
from similarity_v1.serve.limits import Limits


class BoundedConnection(H11Protocol):
    """One connection. It waits from its start, or from the first byte of a later request, until the request's headers
    are complete; that may take header_timeout_s in all, however the bytes are spread over it."""

    def __init__(self, *arguments: Any, limits: Limits, **options: Any):
        super().__init__(*arguments, **options)
        self.limits = limits
        self.deadline: asyncio.TimerHandle | None = None
        self.unread: asyncio.TimerHandle | None = None
        self.began = self.loop.time()

    @property
    def address(self) -> str:
        """The client's, without its port."""
        return self.client[0] if self.client else ""

    @property
    def is_idle(self) -> bool:
        """Whether no request is being answered."""
        return self.cycle is None or self.cycle.response_complete

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._make_room()
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        super().connection_lost(exc)  # resumes writing

    def pause_writing(self) -> None:
        """The client does not read its answers."""
        super().pause_writing()
        self.unread = self.loop.call_later(self.limits.body_timeout_s, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        if self.unread is not None:
            self.unread.cancel()
            self.unread = None

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def _make_room(self) -> None:
        """Hold the client to its number: its oldest connection without a request is closed for this one; where all of
        them are being answered, this one is refused."""
        ours = [c for c in self.connections if isinstance(c, BoundedConnection) and c is not self]
        of_client = [c for c in ours if c.address == self.address and not c.is_closing]
        if len(of_client) < self.limits.connections:
            return
        idle = [connection for connection in of_client if connection.is_idle]
        if idle:
            min(idle, key=lambda connection: connection.began).transport.close()
        else:
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "too many connections of one client")

    @property
    def is_closing(self) -> bool:
        return self.transport.is_closing()

    def _watch(self) -> None:
        if not self.is_idle or self.is_closing:
            self._forget_deadline()
        elif self.deadline is None:
            self.deadline = self.loop.call_later(self.limits.header_timeout_s, self._too_late)

    def _forget_deadline(self) -> None:
        if self.deadline is not None:
            self.deadline.cancel()
            self.deadline = None

    def _too_late(self) -> None:
        """Answer a client that has begun a request; browsers open idle connections in advance, which get no answer."""
        has_begun = bool(self.conn.trailing_data[0]) and self.conn.their_state is h11.IDLE
        if has_begun:
            reason = f"the headers did not arrive within {self.limits.header_timeout_s:g} s"
            self._refuse(HTTPStatus.REQUEST_TIMEOUT, reason)
        else:
            self.transport.close()

    def _refuse(self, status: HTTPStatus, reason: str) -> None:
        body = strict_json.dumps({"error": reason}).encode()
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        self.transport.write(head.encode("ascii") + body)
        self.transport.close()
