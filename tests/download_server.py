"""A small real server on the loopback that can also misbehave, and archives for it to hand out."""

from __future__ import annotations

import hashlib
import io
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from conftest import ROOT, environment

from final_project.data.download.transfer import RemoteFile

CONTENT = "".join(f"第{number}行\t天气怎么样\t今天天气如何\t1\n" for number in range(60_000)).encode()  # 2.7 MB
HALF = len(CONTENT) // 2
AT_ONCE = (0.01, 0.01)


class Server(ThreadingHTTPServer):
    """Serves `content` to every path. Each request takes one word from `moods` and misbehaves accordingly:

    cut     sends the headers of all and half of the body, then closes
    stall   the same, but then falls silent and keeps the connection
    other   sends another range than the one asked for
    a number is an HTTP status; a path is where the answer redirects to; afterwards, and with ok, all is well
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.content, self.etag, self.ranges, self.claimed = CONTENT, '"first"', True, ""
        self.moods: list[str | int] = []
        self.log: list[tuple[str, str | None, int]] = []  # path, Range, status
        self.over = threading.Event()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/corpus.json"

    def handle_error(self, request, client_address):
        """A client that went away is what these tests are about; no traceback for it."""


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        server = self.server
        mood = server.moods.pop(0) if server.moods else "ok"
        asked = self.headers.get("Range")
        start = int(asked[6:-1]) if asked and server.ranges and self.headers["If-Range"] == server.etag else 0
        status = mood if isinstance(mood, int) else 302 if mood.startswith(("/", "http")) else 206 if start else 200
        if start >= len(server.content):
            status = 416
        server.log.append((self.path, asked, status))
        body = server.content[start:] if status in (200, 206) else b""
        self.send_response(status)
        if server.claimed != "nothing":
            self.send_header("Content-Length", server.claimed or str(len(body)))
        if server.etag:
            self.send_header("ETag", server.etag)
        if status == 206:
            start += mood == "other"
            self.send_header("Content-Range", f"bytes {start}-{len(server.content) - 1}/{len(server.content)}")
        if status == 302:
            self.send_header("Location", mood)
        self.end_headers()
        self.wfile.write(body[: len(body) // 2] if mood in ("cut", "stall") else body)
        if mood == "stall":
            self.wfile.flush()
            server.over.wait(30)

    def log_message(self, *arguments):
        pass


@pytest.fixture(name="server")
def running_server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    with Server() as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield running
        running.over.set()
        running.shutdown()


def remote(server: Server, content: bytes = CONTENT, n_bytes: int | None = None) -> RemoteFile:
    return RemoteFile(server.url, hashlib.sha256(content).hexdigest(), n_bytes)


def ranges(server: Server) -> list[tuple[str | None, int]]:
    return [(asked, status) for _, asked, status in server.log]


def beside(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir() if path != target)


def make_zip(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, content in files.items():
            packed.writestr(name, content)
    return path


def make_tar(path: Path, files: dict[str, bytes], links: dict[str, str] | None = None) -> Path:
    with tarfile.open(path, "w:gz") as packed:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            packed.addfile(entry, io.BytesIO(content))
        for name, points_to in (links or {}).items():
            entry = tarfile.TarInfo(name)
            entry.type, entry.linkname = tarfile.SYMTYPE, points_to
            packed.addfile(entry)
    return path


def other_process(code: str, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True
    )


def until(is_so) -> None:
    deadline = time.monotonic() + 60
    while not is_so():
        assert time.monotonic() < deadline, "waited for a minute in vain"
        time.sleep(0.02)
