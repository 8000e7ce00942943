"""Downloads of one file from a small server on the loopback that can also misbehave. Nothing leaves the machine."""

from __future__ import annotations

import hashlib
import re
import signal
import time
from pathlib import Path

import pytest
from download_server import (
    AT_ONCE,
    CONTENT,
    HALF,
    Server,
    beside,
    other_process,
    ranges,
    remote,
    running_server,  # noqa: F401 (the fixture `server`)
    until,
)

from final_project.data.download.transfer import RemoteFile, fetch
from final_project.errors import ArtifactError, DataError, EnvironmentProblem


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "OCNLI" / "corpus.json"


def test_a_file_arrives_whole_and_leaves_no_partial_files(server, target):
    fetch(remote(server), target)
    assert target.read_bytes() == CONTENT and beside(target) == []


def test_what_is_here_is_not_asked_for_again(server, target):
    fetch(remote(server), target)
    fetch(remote(server), target)
    assert len(server.log) == 1


def test_another_file_in_the_way_is_refused_and_kept(server, target):
    target.parent.mkdir()
    target.write_text("我自己的句子\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"another file is in the way: expected SHA-256 .*, found .*; move it away"):
        fetch(remote(server), target)
    assert target.read_text(encoding="utf-8") == "我自己的句子\n" and not server.log


def test_a_folder_in_the_way_is_refused(server, target):
    target.mkdir(parents=True)
    with pytest.raises(DataError, match="expected a file or nothing, found a folder"):
        fetch(remote(server), target)


@pytest.mark.parametrize("n_bytes", [None, len(CONTENT)], ids=["size unknown", "size known"])
def test_a_cut_connection_is_continued_from_where_it_broke(server, target, n_bytes):
    server.moods = ["cut", "cut"]
    fetch(remote(server, n_bytes=n_bytes), target, AT_ONCE)
    assert target.read_bytes() == CONTENT
    assert ranges(server) == [
        (None, 200),
        (f"bytes={HALF}-", 206),
        (f"bytes={HALF + (len(CONTENT) - HALF) // 2}-", 206),
    ]


def test_many_broken_connections_end_with_one_message_and_the_next_run_resumes(server, target):
    server.moods = ["cut"] * 3
    with pytest.raises(EnvironmentProblem, match=r"after [\d,]+ of [\d,]+ bytes; gave up after 3 attempts") as raised:
        fetch(remote(server), target, AT_ONCE)
    assert not target.exists() and beside(target) == ["corpus.json.part", "corpus.json.part.json"]
    here = (target.parent / "corpus.json.part").stat().st_size
    assert f"again to resume after the {here:,} bytes already downloaded" in str(raised.value)
    fetch(remote(server), target)
    assert target.read_bytes() == CONTENT and ranges(server)[-1] == (f"bytes={here}-", 206)


def test_the_waits_grow_and_are_kept(server, target):
    server.moods = [503, 503]
    began = time.monotonic()
    fetch(remote(server), target, (0.05, 0.2))
    assert time.monotonic() - began >= 0.25


def test_silence_is_a_broken_connection(server, target):
    server.moods = ["stall"]
    fetch(remote(server), target, AT_ONCE, timeout_s=0.5)
    assert target.read_bytes() == CONTENT and ranges(server) == [(None, 200), (f"bytes={HALF}-", 206)]


def test_a_server_that_ignores_ranges_is_read_from_the_start(server, target):
    server.moods, server.ranges = ["cut"], False
    fetch(remote(server), target, AT_ONCE)
    assert target.read_bytes() == CONTENT and ranges(server) == [(None, 200), (f"bytes={HALF}-", 200)]


@pytest.mark.parametrize("etag", ['W/"weak"', ""])
def test_without_a_strong_mark_of_the_version_nothing_is_continued(server, target, etag):
    server.moods, server.etag = ["cut"], etag
    fetch(remote(server), target, AT_ONCE)
    assert target.read_bytes() == CONTENT and ranges(server) == [(None, 200), (None, 200)]


def test_a_file_that_changed_between_attempts_is_read_from_the_start(server, target):
    server.moods, server.content, server.etag = ["cut"], b"old" * len(CONTENT), '"old"'
    with pytest.raises(EnvironmentProblem):
        fetch(remote(server), target, ())
    server.content, server.etag = CONTENT, '"new"'
    fetch(remote(server), target)
    assert target.read_bytes() == CONTENT and ranges(server)[-1][1] == 200


def test_a_part_of_another_address_is_not_continued(server, target):
    server.moods = ["cut"]
    with pytest.raises(EnvironmentProblem):
        fetch(remote(server), target, ())
    elsewhere = RemoteFile(server.url.replace("corpus", "mirror"), remote(server).sha256)
    fetch(elsewhere, target)
    assert ranges(server)[-1] == (None, 200)


def test_a_part_longer_than_the_file_is_given_up(server, target):
    server.moods = ["cut"]
    with pytest.raises(EnvironmentProblem):
        fetch(remote(server), target, ())
    (target.parent / "corpus.json.part").write_bytes(CONTENT + b"more")
    fetch(remote(server), target, AT_ONCE)
    assert target.read_bytes() == CONTENT and [status for _, status in ranges(server)] == [200, 416, 200]


def test_a_whole_part_needs_no_request(server, target):
    server.moods = ["cut"]
    with pytest.raises(EnvironmentProblem):
        fetch(remote(server), target, ())
    (target.parent / "corpus.json.part").write_bytes(CONTENT)
    fetch(remote(server, n_bytes=len(CONTENT)), target)
    assert target.read_bytes() == CONTENT and len(server.log) == 1


def test_another_range_than_the_one_asked_for_starts_over(server, target):
    server.moods = ["cut", "other"]
    fetch(remote(server), target, AT_ONCE)
    assert target.read_bytes() == CONTENT and ranges(server)[-1] == (None, 200)


def test_a_wrong_checksum_says_both_and_leaves_nothing(server, target):
    server.content = b"not it"
    wrong = hashlib.sha256(b"not it").hexdigest()
    with pytest.raises(DataError, match=f"expected SHA-256 {remote(server).sha256}, found {wrong}; .* deleted"):
        fetch(remote(server), target, AT_ONCE)
    assert list(target.parent.iterdir()) == [] and len(server.log) == 1


def test_a_wrong_rest_is_found_out(server, target):
    server.moods = ["cut"]
    with pytest.raises(EnvironmentProblem):
        fetch(remote(server), target, ())
    server.content = CONTENT[:-1] + b"!"  # the same mark and length, other bytes
    with pytest.raises(DataError, match="expected SHA-256"):
        fetch(remote(server), target)
    assert list(target.parent.iterdir()) == []


def test_a_wrong_size_is_refused_before_it_is_downloaded(server, target):
    with pytest.raises(DataError, match=f"expected 9 bytes, the server offers {len(CONTENT):,}"):
        fetch(remote(server, n_bytes=9), target)
    assert list(target.parent.iterdir()) == []


def test_a_size_that_only_the_list_knows_is_enough_and_none_at_all_is_not(server, target):
    server.claimed = "nothing"
    with pytest.raises(
        DataError, match="the server does not state the size of the file: try later, or place the file by hand"
    ):
        fetch(remote(server), target)
    fetch(remote(server, n_bytes=len(CONTENT)), target)
    assert target.read_bytes() == CONTENT


@pytest.mark.parametrize("content", [CONTENT + b"more", CONTENT[:-1]], ids=["more", "less"])
def test_more_or_less_than_the_list_says_is_never_taken(server, target, content):
    server.claimed, server.content = "nothing", content
    with pytest.raises((DataError, EnvironmentProblem)):
        fetch(remote(server, n_bytes=len(CONTENT)), target, AT_ONCE)
    assert not target.exists()


def test_a_full_disk_is_seen_before_the_download(server, target):
    server.claimed = str(1 << 60)
    with pytest.raises(ArtifactError, match=r"cannot write: 1,152,921,504,606,846,976 bytes needed, [\d,]+ free"):
        fetch(remote(server), target)


@pytest.mark.parametrize("status", [403, 404, 410])
def test_a_file_that_is_gone_is_not_asked_for_twice(server, target, status):
    server.moods = [status]
    with pytest.raises(DataError, match=f"{re.escape(server.url)}: the server answered {status}"):
        fetch(remote(server), target, AT_ONCE)
    assert len(server.log) == 1


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_server_that_says_later_is_asked_again(server, target, status):
    server.moods = [status]
    fetch(remote(server), target, AT_ONCE)
    assert target.read_bytes() == CONTENT and len(server.log) == 2


def test_nobody_there_is_one_clear_message_at_once(target):
    with Server() as gone:
        pass
    began = time.monotonic()
    with pytest.raises(EnvironmentProblem, match=r"no connection \(.*refused.*\); is this machine offline"):
        fetch(remote(gone), target, (30.0,))
    assert time.monotonic() - began < 5


def test_redirects_are_followed_and_keep_the_range(server, target):
    server.moods = ["cut", "/elsewhere.json"]
    fetch(remote(server), target, AT_ONCE)
    assert target.read_bytes() == CONTENT
    assert server.log[-1] == ("/elsewhere.json", f"bytes={HALF}-", 206)


def test_only_https_may_leave_the_machine(server, target):
    with pytest.raises(DataError, match=r"http://example\.org/a: expected an https address"):
        fetch(RemoteFile("http://example.org/a", "0" * 64), target)
    server.moods = ["http://example.org/a"]
    with pytest.raises(DataError, match=r"http://example\.org/a: expected an https address"):
        fetch(remote(server), target)


def test_a_proxy_of_the_environment_is_used(server, target, monkeypatch):
    monkeypatch.setenv("http_proxy", server.url)
    monkeypatch.setenv("no_proxy", "")
    fetch(RemoteFile("http://localhost:1/behind", remote(server).sha256), target)
    assert server.log == [("http://localhost:1/behind", None, 200)]


# Processes that end, and processes side by side.

FETCH = "import sys; from pathlib import Path; from final_project.data.download.transfer import RemoteFile, fetch; "
FETCH += "fetch(RemoteFile(*sys.argv[1:3]), Path(sys.argv[3]))"


@pytest.mark.stage
def test_a_disk_that_fills_up_ends_in_one_message_and_the_rest_is_continued(server, target):
    """Stands in for a full disk, which takes root's rights: files of this process may not grow beyond a mebibyte."""
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20)); "
    process = other_process(limited + FETCH, server.url, remote(server).sha256, str(target))
    assert process.wait(10) == 1
    part = target.parent / "corpus.json.part"
    assert f"ArtifactError: {part}: cannot write: File too large" in process.stderr.read()
    assert part.stat().st_size == 1 << 20
    fetch(remote(server), target)
    assert target.read_bytes() == CONTENT and ranges(server)[-1] == (f"bytes={1 << 20}-", 206)


@pytest.mark.stage
@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "Ctrl-C"])
def test_what_a_killed_process_leaves_is_continued(server, target, how):
    server.moods = ["stall"]
    wanted = remote(server)
    process = other_process(FETCH, wanted.url, wanted.sha256, str(target))
    part = target.parent / "corpus.json.part"
    until(lambda: part.is_file() and part.stat().st_size == HALF)
    process.send_signal(how)
    assert process.wait(10) != 0
    assert not target.exists() and part.stat().st_size == HALF
    fetch(wanted, target)
    assert target.read_bytes() == CONTENT and ranges(server) == [(None, 200), (f"bytes={HALF}-", 206)]
