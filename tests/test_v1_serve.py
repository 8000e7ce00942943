"""The local page and its JSON interface: over real connections, from a real process where signals matter."""

import asyncio
import contextlib
import json
import signal
import socket
import subprocess
import sys
import threading
import time

import httpx
import pytest
import uvicorn
from conftest import ROOT, environment
from v1_support import run_cli, tiny_classifier

from final_project.errors import DataError, EnvironmentProblem, RecipeError
from final_project.model.decision import Decision
from final_project.settings import SimilarityV1
from similarity_v1.explain.explainer import Explainer
from similarity_v1.explain.from_settings import build_explainer
from similarity_v1.rationales.selection import Selection, select, selection_from_settings
from similarity_v1.serve import server
from similarity_v1.serve.app import Served, create_app
from similarity_v1.serve.limits import MAX_CLIENTS, Limits, RateLimiter
from similarity_v1.serve.waiting_line import LineIsFull, Stopping, WaitingLine

PAIR = {"text_a": "怎么开通花呗", "text_b": "花呗如何开通"}
HALF = Selection("ratio", 0.5)
GENEROUS = Limits(rate=1e6, burst=10**6, queue=512)


@contextlib.contextmanager
def serving(explain, limits=GENEROUS, hosts=("127.0.0.1",), selection=HALF):
    """The application on a free port of this machine, in a thread; yields its address."""
    place = server.bind("127.0.0.1", 0)
    app = create_app(Served(explain, "tiny", "gradient_x_input", 0.25, selection), hosts, limits)
    running = uvicorn.Server(server.configure(app))
    thread = threading.Thread(target=running.run, kwargs={"sockets": [place]})
    thread.start()
    try:
        yield f"http://127.0.0.1:{place.getsockname()[1]}"
    finally:
        running.should_exit = True
        thread.join(20)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return tiny_classifier(tmp_path_factory.mktemp("served"))


@pytest.fixture(scope="module")
def address(model):
    with serving(build_explainer(model, SimilarityV1()).explain) as address:
        yield address


def test_an_answer_is_what_the_explainer_says(address, model):
    answer = httpx.post(f"{address}/api/explain", json=PAIR).json()
    (expected,) = build_explainer(model, SimilarityV1()).explain([tuple(PAIR.values())])
    assert (answer["label"], answer["method"], answer["truncated"]) == (expected.label, "gradient_x_input", False)
    assert answer["probabilities"] == pytest.approx(expected.probabilities, abs=1e-6)
    for side in (0, 1):
        words = answer["texts"][side]
        assert tuple(word["text"] for word in words) == expected.words[side]
        assert [word["score"] for word in words] == pytest.approx(expected.scores[side], rel=1e-4, abs=1e-7)
        assert sorted(word["rank"] for word in words if word["rank"]) == [1, 2, 3]


def test_the_answer_says_where_the_model_cuts_and_ranks_the_words_that_the_settings_choose(model):
    settings = SimilarityV1(select="top_k", top_k=2)
    explainer = Explainer.from_folder(model, decision=Decision(0.75))
    with serving(explainer.explain, selection=selection_from_settings(settings)) as address:
        answer = httpx.post(f"{address}/api/explain", json=PAIR).json()
    assert answer["threshold"] == 0.75 and answer["label"] == (answer["probabilities"][1] >= 0.75)
    for words in answer["texts"]:
        ranks = {place: word["rank"] for place, word in enumerate(words) if word["rank"]}
        assert sorted(ranks, key=ranks.get) == list(
            select([word["score"] for word in words], selection_from_settings(settings))
        )


@pytest.mark.parametrize(
    "body, status, reason",
    [
        (b"{", 400, "the body is not JSON"),
        (b"\xff\xfe", 400, "body"),
        (b"[" * 9000, 400, "body"),
        (b'{"text_a": ' + b"9" * 9000 + b"}", 400, "body"),
        (b"", 422, "body"),
        (b"null", 422, "body"),
        (b"{}", 422, "text_a: Field required"),
        (b'{"text_a": "", "text_b": "a"}', 422, "text_a"),
        (b'{"text_a": " \\u3000", "text_b": "a"}', 422, "text_a: the text is blank"),
        (b'{"text_a": "a", "text_b": 7}', 422, "text_b"),
        (b'{"text_a": "a", "text_c": "b"}', 422, "text_c"),
        (b'{"text_a": "\\ud800", "text_b": "a"}', 422, "text_a"),
        (b'{"text_a": "a", "text_b": "a\\u0000"}', 422, "text_b: the text holds a NUL character"),
        (json.dumps({**PAIR, "text_b": "长" * 513}).encode(), 422, "512 characters"),
        (b'{"text_a": "' + b"a" * 20_000 + b'"}', 413, "larger than 16,384 bytes"),
    ],
)
def test_what_cannot_be_answered_is_refused_with_its_reason(address, body, status, reason):
    answer = httpx.post(f"{address}/api/explain", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == status and list(answer.json()) == ["error"]
    assert reason in answer.json()["error"] and len(answer.json()["error"]) < 600
    assert httpx.get(f"{address}/health").json()["status"] == "ok"


def test_other_ways_of_asking_are_refused_with_their_reason(address):
    ask = f"{address}/api/explain"
    assert httpx.post(ask, content=json.dumps(PAIR)).status_code == 415, "a form of a foreign page could send this"
    chunks = httpx.post(ask, content=(b"a" * 5000 for _ in range(9)), headers={"Content-Type": "application/json"})
    assert chunks.status_code == 413
    for answer in (httpx.get(ask), httpx.get(f"{address}/nothing"), httpx.get(f"{address}/docs")):
        assert answer.status_code in (404, 405) and answer.json()["error"]
    foreign = httpx.get(address, headers={"Host": "foreign.example"})
    assert foreign.status_code == 400 and "to that host name" in foreign.json()["error"]


def test_a_body_that_never_comes_is_not_waited_for():
    with serving(list, Limits(body_timeout_s=0.3)) as address:
        host, port = address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=10) as line:
            line.sendall(
                b"POST /api/explain HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                b"Content-Length: 100\r\n\r\n{"
            )
            assert line.recv(4096).startswith(b"HTTP/1.1 408")


def test_hostile_text_comes_back_as_it_is_and_every_word_has_a_score(address):
    texts = {"text_a": "<script>alert(1)</script> \u202e\u200f", "text_b": "\x01\x1b[31m'\"{{7*7}}👩‍👩‍👧‍👦"}
    answer = httpx.post(f"{address}/api/explain", json=texts)
    assert answer.status_code == 200 and answer.headers["content-type"] == "application/json"
    for words, text in zip(answer.json()["texts"], texts.values(), strict=True):
        assert "".join(word["text"] for word in words) == "".join(text.split())


def test_every_answer_carries_safe_headers_and_the_page_names_its_own_script(address):
    for answer in (httpx.get(address), httpx.get(f"{address}/health"), httpx.get(f"{address}/nothing")):
        assert answer.headers["x-content-type-options"] == "nosniff" and answer.headers["x-frame-options"] == "DENY"
        assert answer.headers["cache-control"] == "no-store" and "server" not in answer.headers
    policy = httpx.get(address).headers["content-security-policy"]
    assert "default-src 'none'" in policy and "frame-ancestors 'none'" in policy and "unsafe" not in policy
    assert "http" not in policy.replace("https://", "http://").replace("'self'", "")


def test_the_schema_says_what_is_asked_and_answered(address):
    schema = httpx.get(f"{address}/openapi.json").json()
    assert set(schema["paths"]) == {"/api/explain", "/health"}
    question = schema["components"]["schemas"]["Question"]
    assert question["properties"]["text_a"]["maxLength"] == 512 and question["required"] == ["text_a"]
    assert {"200", "400", "413", "415", "422", "429", "503"} <= set(
        schema["paths"]["/api/explain"]["post"]["responses"]
    )


def at_once(address, n_requests, body=PAIR):
    async def all_of_them():
        limits = httpx.Limits(max_connections=n_requests)
        async with httpx.AsyncClient(limits=limits, timeout=60) as client:
            asked = (client.post(f"{address}/api/explain", json=body) for _ in range(n_requests))
            return await asyncio.gather(*asked)

    return asyncio.run(all_of_them())


@pytest.mark.stage
def test_two_hundred_requests_at_once_are_all_answered(address):
    answers = at_once(address, 200)
    assert {answer.status_code for answer in answers} == {200}
    labels = {answer.json()["label"] for answer in answers}
    assert len(labels) == 1 and httpx.get(f"{address}/health").json()["waiting"] == 0


@pytest.mark.stage
def test_two_hundred_requests_of_one_client_are_held_to_its_rate_and_to_the_line(model):
    explain = build_explainer(model, SimilarityV1()).explain
    with serving(explain, Limits(rate=1, burst=60, queue=8, batch=4)) as address:
        answers = at_once(address, 200)
        found = {status: [a for a in answers if a.status_code == status] for status in (200, 429, 503)}
        assert sum(map(len, found.values())) == 200 and len(found[200]) >= 8
        assert len(found[429]) >= 130 and all(int(a.headers["retry-after"]) >= 1 for a in found[429])
        assert all("wait for the model" in a.json()["error"] and a.headers["retry-after"] for a in found[503])
        assert httpx.get(f"{address}/health").status_code == 200


def test_a_defect_is_reported_without_its_insides_and_the_server_continues():
    def explain(rows):
        raise ZeroDivisionError("secret")

    with serving(explain) as address:
        answer = httpx.post(f"{address}/api/explain", json=PAIR)
        assert answer.status_code == 500 and "secret" not in answer.text and answer.json()["error"]
        assert httpx.get(f"{address}/health").status_code == 200


def test_a_bucket_empties_and_fills_up_again():
    limiter = RateLimiter(rate=2, burst=3)
    assert [limiter.wait_s("a", 0.0) for _ in range(4)] == [0, 0, 0, 1]
    assert limiter.wait_s("b", 0.0) == 0, "clients do not share a bucket"
    assert [limiter.wait_s("a", 0.5), limiter.wait_s("a", 0.5)] == [0, 1]
    assert [limiter.wait_s("a", 100.0) for _ in range(4)] == [0, 0, 0, 1], "it never holds more than the burst"
    for client in range(2 * MAX_CLIENTS):
        limiter.wait_s(str(client), 100.0)
    assert len(limiter._buckets) == MAX_CLIENTS
    assert RateLimiter(rate=0.1, burst=1).wait_s("a", 0.0) == 0


def test_rows_are_answered_together_and_only_the_one_to_blame_is_refused():
    batches = []

    def answer_rows(rows):
        batches.append(list(rows))
        if "bad" in rows:
            raise DataError("row", "is bad")
        return [row.upper() for row in rows]

    async def ask():
        line = WaitingLine(answer_rows, longest=10, batch=8)
        with pytest.raises(Stopping):
            await line.answer("before")
        line.start()
        rows = ["a", "bad", "c"]
        answers = await asyncio.gather(*map(line.answer, rows), return_exceptions=True)
        await line.stop()
        return answers

    answers = asyncio.run(ask())
    assert answers[0] == "A" and isinstance(answers[1], DataError) and answers[2] == "C"
    assert batches == [["a", "bad", "c"], ["a"], ["bad"], ["c"]]


def test_a_full_line_refuses_and_an_end_refuses_those_who_wait():
    async def ask():
        line = WaitingLine(lambda rows: time.sleep(0.2) or rows, longest=1, batch=1)
        line.start()
        running = asyncio.create_task(line.answer("running"))
        await asyncio.sleep(0.05)
        waiting = asyncio.create_task(line.answer("waiting"))
        await asyncio.sleep(0)
        with pytest.raises(LineIsFull):
            await line.answer("too many")
        await line.stop()
        return await asyncio.gather(running, waiting, return_exceptions=True)

    assert [type(answer) for answer in asyncio.run(ask())] == [Stopping, Stopping]


@pytest.mark.stage
def test_a_signal_ends_the_server_within_seconds(model):
    command = [sys.executable, "-m", "similarity_v1", "serve", "--model", str(model), "--port", "0"]
    wanted = {signal.SIGTERM: 0, signal.SIGINT: 130}
    with contextlib.ExitStack() as stack:
        processes = {}
        for number in wanted:  # both start at once, since starting is what takes time
            process = subprocess.Popen(command, cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True)
            stack.callback(process.stderr.close)
            stack.callback(process.kill)
            processes[number] = process
        for number, process in processes.items():
            address = next(line for line in process.stderr if "http://" in line).split()[1]
            assert httpx.post(f"{address}/api/explain", json=PAIR, timeout=60).status_code == 200
            process.send_signal(number)
            assert process.wait(15) == wanted[number]
            said = process.stderr.read()
            assert "stopped" in said and "Traceback" not in said


def test_only_a_loopback_address_is_asked_for_by_its_own_names(caplog):
    with contextlib.closing(server.bind("localhost", 0)) as place:
        assert {"127.0.0.1", "localhost", "[::1]"} <= set(server.allowed_hosts("localhost", place))
    with contextlib.closing(server.bind("0.0.0.0", 0)) as place:
        assert server.allowed_hosts("0.0.0.0", place) == [] and "asks for no password" in caplog.text


def test_addresses_that_cannot_be_had_are_one_message(model, tmp_path, capsys):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        status, out, err = run_cli(capsys, "serve", "--model", model, "--port", port)
    assert (
        status == 1 and out == "" and f"127.0.0.1:{port}: cannot listen: Address already in use; choose another" in err
    )
    with pytest.raises(RecipeError, match="no address"):
        server.bind("no such host.invalid", 0)
    with pytest.raises(EnvironmentProblem, match="cannot listen"):
        server.bind("203.0.113.1", 0)
    for arguments, expected in (
        (("--model", tmp_path / "none"), "no such model folder"),
        (("--model", model, "--port", "70000"), "expected a port from 0 to 65535"),
        (("--model", model, "--max-chars", "0"), "expected a number above 0"),
        (("--model", model, "--rate", "nan"), "expected a number above 0"),
        (("--model", model, "--ratio", "2"), "--ratio"),
    ):
        status, _, err = run_cli(capsys, "serve", *arguments)
        assert status == 2 and expected in err and "Traceback" not in err
