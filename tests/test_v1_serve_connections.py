"""Connections of the local page before and between requests: clients that send half, dribble, or do not read."""

import contextlib
import socket
import time

import httpx
import pytest
from test_v1_serve import PAIR, serving

from similarity_v1.serve.limits import Limits

HALF = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-A: b"
WHOLE = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


def limits(**changes):
    return Limits(**{"rate": 1e6, "burst": 10**6, "header_timeout_s": 0.4, **changes})


@contextlib.contextmanager
def connections(address, n, first_bytes=b""):
    """n connections from this machine, each of which has sent the first bytes."""
    host, port = address.removeprefix("http://").split(":")
    with contextlib.ExitStack() as stack:
        lines = [stack.enter_context(socket.create_connection((host, int(port)), timeout=10)) for _ in range(n)]
        for line in lines:
            line.sendall(first_bytes)
        yield lines


def all_that_comes(line):
    """Until the server closes the connection."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while some := line.recv(65536):
            received += some
    return received


def test_headers_that_never_end_are_refused_with_their_reason_after_the_deadline():
    with serving(list, limits()) as address, connections(address, 1, HALF) as (line,):
        began = time.monotonic()
        answer = all_that_comes(line)
        assert 0.3 < time.monotonic() - began < 5
        assert answer.startswith(b"HTTP/1.1 408 ") and b'{"error": "the headers did not arrive within 0.4 s"}' in answer


def test_headers_that_dribble_have_the_same_deadline():
    with serving(list, limits()) as address, connections(address, 1) as (line,):
        began = time.monotonic()
        with contextlib.suppress(OSError):
            for byte in HALF * 50:
                line.sendall(bytes([byte]))
                time.sleep(0.02)
        assert time.monotonic() - began < 5


def test_a_connection_that_sends_nothing_is_closed_without_an_answer():
    with serving(list, limits()) as address, connections(address, 1) as (line,):
        assert all_that_comes(line) == b""


def test_the_second_request_of_a_connection_has_the_deadline_too():
    with serving(list, limits()) as address, connections(address, 1, WHOLE) as (line,):
        assert line.recv(4096).startswith(b"HTTP/1.1 200")
        line.sendall(HALF)
        assert b"HTTP/1.1 408 " in all_that_comes(line)


def test_a_body_that_dribbles_after_its_refusal_does_not_keep_the_connection():
    body = b"POST /api/explain HTTP/1.1\r\nHost: foreign.example\r\nContent-Length: 9999\r\n\r\n"
    with serving(list, limits()) as address, connections(address, 1, body) as (line,):
        assert line.recv(4096).startswith(b"HTTP/1.1 400")
        began = time.monotonic()
        with pytest.raises(OSError):
            while time.monotonic() - began < 5:
                line.sendall(b"a")
                time.sleep(0.02)


@pytest.mark.stage
def test_a_client_that_does_not_read_its_answers_is_let_go():
    with serving(list, limits(body_timeout_s=0.5)) as address, connections(address, 1) as (line,):
        line.settimeout(5)
        began = time.monotonic()
        with pytest.raises((BrokenPipeError, ConnectionResetError)):
            while time.monotonic() - began < 15:
                line.sendall(b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n" * 20)
        assert time.monotonic() - began < 15


def test_half_sent_requests_of_one_client_do_not_hold_the_page():
    """More of them than one client may hold: the oldest go, and whoever asks properly is answered at once."""
    held = limits(header_timeout_s=60, connections=20)
    with serving(list, held) as address, connections(address, 60, HALF) as lines:
        began = time.monotonic()
        assert httpx.get(f"{address}/health").status_code == 200 and httpx.get(address).status_code == 200
        assert time.monotonic() - began < 5
        closed = 0
        for line in lines:
            line.settimeout(0.01)
            try:
                closed += line.recv(10) == b""
            except ConnectionResetError:
                closed += 1
            except TimeoutError:
                pass
        assert closed >= 40


@pytest.mark.stage
def test_a_client_whose_every_connection_is_being_answered_gets_no_more():
    def slowly(rows):
        time.sleep(1.5)
        return []

    ask = (
        b"POST /api/explain HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 39\r\n\r\n"
    )
    body = b'{"text_a": "a", "text_b": "bbbbbbbbbb"}'
    assert len(body) == 39
    with serving(slowly, limits(connections=3)) as address, connections(address, 3, ask + body):
        time.sleep(0.3)
        with connections(address, 1) as (line,):
            answer = all_that_comes(line)
            assert answer.startswith(b"HTTP/1.1 503 ") and b"too many connections of one client" in answer


@pytest.mark.stage
def test_the_deadline_does_not_count_the_time_of_the_answer():
    def slowly(rows):
        time.sleep(1)
        raise ZeroDivisionError

    with serving(slowly, limits()) as address:
        assert httpx.post(f"{address}/api/explain", json=PAIR, timeout=10).status_code == 500


def test_a_request_that_comes_in_pieces_within_the_deadline_is_answered():
    with serving(list, limits(header_timeout_s=5)) as address, connections(address, 1) as (line,):
        for begin in range(0, len(WHOLE), 10):
            line.sendall(WHOLE[begin : begin + 10])
            time.sleep(0.01)
        assert line.recv(4096).startswith(b"HTTP/1.1 200")
