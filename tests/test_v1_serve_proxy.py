"""The local page behind a proxy, HEAD, and requests with a text too few or too many."""

import contextlib
import re
import socket
import subprocess
import sys
import threading

import httpx
import pytest
import uvicorn
from conftest import ROOT, environment
from test_v1_serve import GENEROUS, HALF, PAIR
from v1_support import run_cli, tiny_classifier

from final_project.model.decision import Decision
from final_project.settings import SimilarityV1
from similarity_v1.explain.from_settings import build_explainer
from similarity_v1.serve import server
from similarity_v1.serve.app import Served, create_app


@contextlib.contextmanager
def serving(explain=list, threshold=None, texts=None, allowed=(), root_path=""):
    place = server.bind("127.0.0.1", 0)
    served = Served(explain, "tiny", "gradient_x_input", threshold, HALF, texts)
    app = create_app(served, server.allowed_hosts("127.0.0.1", place, allowed), GENEROUS, root_path)
    running = uvicorn.Server(server.configure(app))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [place]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{place.getsockname()[1]}"
    finally:
        running.should_exit = True
        thread.join(20)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_classifier(tmp_path_factory.mktemp("served"))


def test_head_is_answered_as_get_without_a_body():
    with serving() as address:
        for path in ("/", "/health", "/openapi.json", "/nothing", "/api/explain"):
            got, head = httpx.get(address + path), httpx.head(address + path)
            assert head.status_code == got.status_code and head.content == b"" and got.content
            assert head.headers["content-length"] == got.headers["content-length"]
            assert head.headers["x-content-type-options"] == "nosniff"
        assert httpx.head(address, headers={"Host": "foreign.example"}).status_code == 400
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as line:  # no body on the wire either
            line.sendall(b"HEAD /health HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n")
            received = b""
            while some := line.recv(4096):
                received += some
        assert received.endswith(b"\r\n\r\n") and received.count(b"\r\n\r\n") == 1


def test_allowed_hosts_are_answered_like_this_machines_own_names():
    with serving(allowed=["pairs.example.org"]) as address:
        for name, status in (
            ("pairs.example.org", 200),
            ("Pairs.Example.org:443", 200),
            ("pairs.example.org.", 200),
            ("localhost:1", 200),
            ("example.org", 400),
            ("pairs.example.org.evil.example", 400),
        ):
            assert httpx.get(f"{address}/health", headers={"Host": name}).status_code == status, name


def test_a_server_for_other_machines_answers_by_the_allowed_names_alone(caplog):
    with contextlib.closing(server.bind("0.0.0.0", 0)) as place:
        names = server.allowed_hosts("0.0.0.0", place, ["pairs.example.org"])
        assert "pairs.example.org" in names and "localhost" in names and "asks for no password" in caplog.text
        assert server.allowed_hosts("0.0.0.0", place) == []


@pytest.mark.parametrize("sent", ["/pairs", ""], ids=["the proxy passes the prefix on", "the proxy takes it off"])
def test_under_a_root_path_page_schema_and_answers_are_there(model, sent):
    with serving(build_explainer(model, SimilarityV1()).explain, root_path="/pairs") as address:
        page = httpx.get(f"{address}{sent}/")
        assert page.status_code == 200 and "script-src" in page.headers["content-security-policy"]
        assert httpx.get(f"{address}{sent}/health").json()["status"] == "ok"
        assert httpx.post(f"{address}{sent}/api/explain", json=PAIR).status_code == 200
        schema = httpx.get(f"{address}{sent}/openapi.json").json()
        assert schema["servers"] == [{"url": "/pairs"}] and "/api/explain" in schema["paths"]


def test_the_root_path_without_its_slash_leads_to_the_page_and_the_page_asks_by_relative_addresses():
    with serving(root_path="/a/pairs") as address:
        moved = httpx.get(f"{address}/a/pairs")
        assert moved.status_code == 307 and moved.headers["location"] == "/a/pairs/"
        page = httpx.get(f"{address}/a/pairs/").text
        assert 'fetch("api/explain"' in page and 'href="openapi.json"' in page
        assert re.findall(r"""(?:href|src|action)="/|fetch\("/""", page) == []
        assert httpx.get(f"{address}/a/pairsandmore").status_code == 404
    with serving() as address:
        assert "servers" not in httpx.get(f"{address}/openapi.json").json()


def asked(address, **texts):
    answer = httpx.post(f"{address}/api/explain", json=texts)
    return answer.status_code, answer.json().get("error")


def test_a_pair_model_says_that_the_second_text_is_missing(model):
    explain = build_explainer(model, SimilarityV1()).explain
    missing = (422, "text_b: this model compares two texts, and the second is missing")
    for facts in ({"threshold": 0.5}, {"texts": 2}):
        with serving(explain, **facts) as address:
            assert asked(address, text_a="怎么") == missing == asked(address, text_a="怎么", text_b=None)
            assert asked(address, **PAIR)[0] == 200
            assert re.search(r'id="text-b"[^>]* required', httpx.get(address).text)


def test_a_model_of_single_texts_says_that_it_reads_no_second_one(model):
    with serving(build_explainer(model, SimilarityV1()).explain, texts=1) as address:
        assert asked(address, **PAIR) == (422, "text_b: this model reads one text, no second")
        assert asked(address, text_a="怎么")[0] == 200
        page = httpx.get(address).text
        assert 'id="text-b"' not in page and 'id="swap"' not in page and 'id="text-a"' in page


def test_where_it_is_not_known_either_number_is_answered(model):
    with serving(build_explainer(model, SimilarityV1()).explain) as address:
        assert asked(address, text_a="怎么")[0] == 200 == asked(address, **PAIR)[0]
        assert not re.search(r'id="text-b"[^>]* required', httpx.get(address).text)


def test_explain_says_that_the_second_text_is_missing_at_a_pair_model(tmp_path, capsys):
    folder = tiny_classifier(tmp_path / "pairs")
    assert run_cli(capsys, "explain", "--model", folder, "怎么")[0] == 0
    Decision(None).save(folder)
    status, out, err = run_cli(capsys, "explain", "--model", folder, "怎么")
    assert (status, out) == (2, "")
    assert err.strip() == "error: TEXT_B: this model compares two texts, and the second is missing"


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        (("--allowed-host", "http://pairs.example.org"), "expected a host's name such as pairs.example.org"),
        (("--allowed-host", "pairs.example.org:80"), "expected a host's name"),
        (("--allowed-host", "*"), "expected a host's name"),
        (("--allowed-host", ""), "expected a host's name"),
        (("--root-path", "pairs"), "expected a path such as /pairs, found 'pairs'"),
        (("--root-path", "/a//b"), "expected a path"),
        (("--root-path", "/a?b"), "expected a path"),
        (("--texts", "3"), "invalid choice"),
        (("--header-timeout-s", "0"), "expected a number above 0"),
        (("--connections", "-1"), "expected a number above 0"),
    ],
)
def test_wrong_options_for_a_proxy_are_one_message(model, capsys, options, expected):
    status, out, err = run_cli(capsys, "serve", "--model", model, *options)
    assert (status, out) == (2, "") and expected in err and "Traceback" not in err


@pytest.mark.stage
def test_the_command_takes_names_and_root_path(tmp_path):
    folder = tiny_classifier(tmp_path / "pairs")
    Decision(0.5).save(folder)
    command = [sys.executable, "-m", "similarity_v1", "serve", "--model", str(folder), "--port", "0"]
    command += ["--allowed-host", "A.example.org", "--allowed-host", "b.example.org", "--root-path", "/pairs/"]
    process = subprocess.Popen(command, cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True)
    try:
        address = next(line for line in process.stderr if "http://" in line).split()[1]
        for name in ("a.example.org", "b.example.org", "localhost"):
            assert httpx.get(f"{address}/pairs/health", headers={"Host": name}).status_code == 200
        assert httpx.get(f"{address}/pairs/health", headers={"Host": "c.example.org"}).status_code == 400
        assert asked(f"{address}/pairs", text_a="怎么")[0] == 422
    finally:
        process.kill()
        process.wait(10)
        process.stderr.close()
