"""One request for a file: only over safe addresses, and every failure sorted into three kinds.

Interrupted    it may well work in a moment: a broken connection, silence, a server that says "later"
Unreachable    nobody answered at all; an Interrupted too, for a network can come back in the middle of a file
ProjectError   it will not work again either: no such file, an untrusted certificate, an address without https

Proxies are those of the environment (https_proxy, no_proxy).
"""

from __future__ import annotations

import errno
import socket
import ssl
from http.client import HTTPException, HTTPResponse
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from final_project import __version__
from final_project.errors import DataError, EnvironmentProblem

PIECE_BYTES = 1 << 16  # small, so that a slow line loses little when it breaks
PASSING_STATUSES = (408, 425, 429, 500, 502, 503, 504)
NO_WAY_THERE = (errno.ECONNREFUSED, errno.ENETUNREACH, errno.EHOSTUNREACH)
LOOPBACK = ("127.0.0.1", "localhost", "::1")  # never leaves the machine


class Interrupted(Exception):
    """An attempt ended before the file was whole. What has arrived is kept for the next one."""


class Unreachable(Interrupted):
    """Nobody answered: this machine is offline, or the server is gone."""


class RangeRefused(Interrupted):
    """The server has nothing from that byte on: what is here belongs to another version of the file."""


def require_safe(url: str) -> None:
    """Refuse an address whose answer others could change on its way."""
    address = urlsplit(url)
    if not (address.scheme == "https" or (address.scheme == "http" and address.hostname in LOOPBACK)):
        raise DataError(url, "expected an https address")


def ask(url: str, headers: dict[str, str], timeout_s: float) -> HTTPResponse:
    """The answer to a GET, redirects followed; `timeout_s` is the longest silence. Raises as the module says."""
    require_safe(url)
    request = Request(url, headers={"User-Agent": f"explained-pairs/{__version__}", **headers})
    try:
        return build_opener(_SafeRedirects).open(request, timeout=timeout_s)
    except HTTPError as error:
        error.close()
        answer = f"the server answered {error.code} {error.reason}"
        if error.code == 416 and "Range" in headers:
            raise RangeRefused(answer) from error
        if error.code in PASSING_STATUSES:
            raise Interrupted(answer) from error
        raise DataError(url, answer) from error
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, URLError) else error
        if isinstance(reason, ssl.SSLCertVerificationError):
            raise EnvironmentProblem(f"{url}: the server's certificate is not trusted here ({reason})") from error
        nobody = isinstance(reason, socket.gaierror) or getattr(reason, "errno", None) in NO_WAY_THERE
        raise (Unreachable if nobody else Interrupted)(f"no connection ({reason})") from error


def read_piece(response: HTTPResponse) -> bytes:
    """What has arrived, without waiting for more than a first byte; empty at the end, also at an early one."""
    try:
        return response.read1(PIECE_BYTES)
    except (OSError, HTTPException) as error:
        raise Interrupted(f"the connection broke ({error})") from error


def version_mark(response: HTTPResponse) -> str:
    """The server's mark of this version, for If-Range: ETag or Last-Modified; empty where it gives none.

    A weak ETag (W/...) does not count, two versions of other bytes may share it.
    """
    etag = response.headers.get("ETag", "")
    return etag if etag.startswith('"') else response.headers.get("Last-Modified", "")


class _SafeRedirects(HTTPRedirectHandler):
    def redirect_request(self, request, response, code, message, headers, new_url):
        require_safe(new_url)
        return super().redirect_request(request, response, code, message, headers, new_url)
