"""Run the application on one address until a signal ends it."""

from __future__ import annotations

import contextlib
import errno
import functools
import ipaddress
import logging
import os
import signal
import socket
from collections.abc import Iterator, Sequence

import uvicorn
from fastapi import FastAPI

from final_project.errors import EnvironmentProblem, RecipeError
from final_project.parallel.signals import ending_signals
from similarity_v1.serve.connections import BoundedConnection

log = logging.getLogger(__name__)

GRACE_S = 3  # running requests get this long to end
MAX_CONNECTIONS = 1024  # of all clients; Limits.connections is for one of them
LOOPBACK_NAMES = ("127.0.0.1", "localhost", "[::1]")


def bind(host: str, port: int) -> socket.socket:
    """A listening place, taken before anything slow is loaded. Raises RecipeError for an address that does not exist,
    EnvironmentProblem where it is taken or not allowed."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (socket.gaierror, UnicodeError) as error:
        raise RecipeError([f"--host: no address of this machine is called {host!r}"]) from error
    taken = socket.socket(family, kind, protocol)
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind(address)
        taken.listen(128)
    except OSError as error:
        taken.close()
        hint = "; choose another with --port" if error.errno == errno.EADDRINUSE else ""
        raise EnvironmentProblem(f"{host}:{port}: cannot listen: {error.strerror}{hint}") from error
    return taken


def allowed_hosts(host: str, place: socket.socket, allowed: Sequence[str] = ()) -> list[str]:
    """The names under which the server answers, see HostGate: loopback's and the allowed ones. None, which means every
    name, where it listens to other machines and no name is given."""
    if not _is_loopback(place):
        log.warning("serve: %s is open to everyone who reaches this machine, and asks for no password", host)
        if not allowed:
            return []
    return [*LOOPBACK_NAMES, host.lower(), *allowed]


def _is_loopback(place: socket.socket) -> bool:
    return ipaddress.ip_address(place.getsockname()[0].split("%")[0]).is_loopback


class _Server(uvicorn.Server):
    """uvicorn ends itself by the signal it was sent; we end with a status of our own."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        with ending_signals(self.handle_exit):
            yield

    @property
    def was_interrupted(self) -> bool:
        return signal.SIGINT in self._captured_signals


def configure(app: FastAPI) -> uvicorn.Config:
    """app: of create_app, whose limits hold for connections, too."""
    return uvicorn.Config(
        app,
        http=functools.partial(BoundedConnection, limits=app.state.limits),  # type: ignore[arg-type]  # any callable will do
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,  # whoever sends X-Forwarded-For would choose the client that is counted
        ws="none",
        limit_concurrency=MAX_CONNECTIONS,
        timeout_keep_alive=5,
        timeout_graceful_shutdown=GRACE_S,
    )


def run(app: FastAPI, place: socket.socket) -> int:
    """Serve until SIGTERM (returns 0) or Ctrl-C (130)."""
    server = _Server(configure(app))
    host, port = place.getsockname()[:2]
    log.info("serve: http://%s:%d  (Ctrl-C ends it)", f"[{host}]" if ":" in host else host, port)
    server.run(sockets=[place])
    log.info("serve: stopped")
    return 130 if server.was_interrupted else 0


def leave(status: int) -> None:
    """End the process now: a pass of the model that still runs would hold it up to its end."""
    logging.shutdown()
    os._exit(status)
