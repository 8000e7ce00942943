"""Checks on a request before it is answered: its host name, its client's rate, the size of its body and the
time that takes; and the headers of every answer. ASGI middleware, so that what is refused was not held in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from similarity_v1.serve.limits import Limits, RateLimiter


def refusal(status: int, reason: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Every refusal looks like this."""
    return JSONResponse({"error": reason}, status, dict(headers or {}))


class SafeHeaders:
    """Adds headers to every answer, refusals included."""

    def __init__(self, app: ASGIApp, headers: Mapping[str, str]):
        self.app, self.headers = app, headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(self.headers)
            await send(message)

        await self.app(scope, receive, send_with_headers if scope["type"] == "http" else send)


class RootGate:
    """Puts the server under a path, as behind a proxy that shows it there, whether or not the proxy takes the path off
    before it asks. The path itself, without a slash at its end, leads to the page, whose addresses are relative."""

    def __init__(self, app: ASGIApp, root_path: str):
        """root_path: such as /pairs; empty for none."""
        self.app, self.root_path = app, root_path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        root = self.root_path
        if scope["type"] == "http" and root:
            if scope["path"] == root:
                return await Response(status_code=307, headers={"Location": f"{root}/"})(scope, receive, send)
            path = scope["path"] if scope["path"].startswith(f"{root}/") else root + scope["path"]
            scope = {**scope, "root_path": root, "path": path}
        await self.app(scope, receive, send)


class HeadGate:
    """Answers HEAD as GET, without the body."""

    def __init__(self, app: ASGIApp):
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_head(message: Message) -> None:
            await send({**message, "body": b""} if message["type"] == "http.response.body" else message)

        if scope["type"] == "http" and scope["method"] == "HEAD":
            return await self.app({**scope, "method": "GET"}, receive, send_head)
        await self.app(scope, receive, send)


class HostGate:
    """400 for a request by a name that is not among ours: a foreign page can make its own name mean this machine
    (DNS rebinding), and would then read what only this machine's user may. No names: every name is answered."""

    def __init__(self, app: ASGIApp, names: frozenset[str]):
        self.app, self.names = app, names

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and self.names and _host_name(scope) not in self.names:
            return await refusal(400, "this server does not answer to that host name; --allowed-host adds one")(
                scope, receive, send
            )
        await self.app(scope, receive, send)


def _host_name(scope: Scope) -> str:
    """The Host header in lower case, without its port and the dot of a complete name."""
    host = Headers(scope=scope).get("host", "").lower()
    return host.split("]")[0] + "]" if host.startswith("[") else host.split(":")[0].removesuffix(".")


class RateGate:
    """429 for a client that asks too often. The client is the address of the connection; headers are not believed."""

    def __init__(self, app: ASGIApp, limits: Limits, free: frozenset[str]):
        """free: the paths, below the root path, that are not counted."""
        self.app, self.free = app, free
        self.limiter = RateLimiter(limits.rate, limits.burst)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"].removeprefix(scope.get("root_path", "")) not in self.free:
            client = scope["client"][0] if scope.get("client") else ""
            if wait_s := self.limiter.wait_s(client, time.monotonic()):
                answer = refusal(429, f"too many requests: try again in {wait_s} s", {"Retry-After": str(wait_s)})
                return await answer(scope, receive, send)
        await self.app(scope, receive, send)


class BodyGate:
    """Reads the body, within its bounds of size and time, and hands it on whole: 413 or 408 otherwise."""

    def __init__(self, app: ASGIApp, limits: Limits):
        self.app, self.limits = app, limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        most = self.limits.max_body_bytes
        too_large = refusal(413, f"the body is larger than {most:,} bytes", {"Connection": "close"})
        stated = Headers(scope=scope).get("content-length", "0")
        if not stated.isdecimal() or int(stated[:20]) > most:
            return await too_large(scope, receive, send)
        try:
            body = await asyncio.wait_for(self._read(receive), self.limits.body_timeout_s)
        except asyncio.TimeoutError:
            late = refusal(
                408, f"the body did not arrive within {self.limits.body_timeout_s:g} s", {"Connection": "close"}
            )
            return await late(scope, receive, send)
        if body is None:
            return await too_large(scope, receive, send)
        handed_on = False

        async def receive_whole() -> Message:
            nonlocal handed_on
            if handed_on:
                return await receive()
            handed_on = True
            return {"type": "http.request", "body": body, "more_body": False}

        await self.app(scope, receive_whole, send)

    async def _read(self, receive: Receive) -> bytes | None:
        """None where it is too large; what came before the client went away."""
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if len(body) > self.limits.max_body_bytes:
                return None
            if not message.get("more_body", False):
                return body
