"""Downloads, against a small real server on the loopback that can also misbehave. Nothing leaves the machine."""

from __future__ import annotations

import argparse
import hashlib
import io
import re
import shlex
import signal
import subprocess
import sys
import tarfile
import threading
import time
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath

import pytest
from conftest import ROOT, environment

from final_project.cli import run_main
from final_project.data.corpora import find_corpus
from final_project.data.corpora.inventory import find_part
from final_project.data.download import add_download_arguments, archive, download, download_from
from final_project.data.download.archive import unpack
from final_project.data.download.offers import OFFERS, Item, Offer
from final_project.data.download.transfer import RemoteFile, fetch
from final_project.errors import ArtifactError, DataError, EnvironmentProblem, ProjectError

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


@pytest.fixture
def server(monkeypatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "127.0.0.1,localhost")
    with Server() as running:
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield running
        running.over.set()
        running.shutdown()


@pytest.fixture
def target(tmp_path) -> Path:
    return tmp_path / "OCNLI" / "corpus.json"


def remote(server: Server, content: bytes = CONTENT, n_bytes: int | None = None) -> RemoteFile:
    return RemoteFile(server.url, hashlib.sha256(content).hexdigest(), n_bytes)


def ranges(server: Server) -> list[tuple[str | None, int]]:
    return [(asked, status) for _, asked, status in server.log]


def beside(target: Path) -> list[str]:
    return sorted(path.name for path in target.parent.iterdir() if path != target)


# One file.


def test_a_file_arrives_whole_and_leaves_nothing_beside_it(server, target):
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


def test_a_long_row_of_cuts_ends_with_one_message_and_the_next_run_goes_on(server, target):
    server.moods = ["cut"] * 3
    with pytest.raises(EnvironmentProblem, match=r"after [\d,]+ of [\d,]+ bytes; gave up after 3 attempts") as raised:
        fetch(remote(server), target, AT_ONCE)
    assert not target.exists() and beside(target) == ["corpus.json.part", "corpus.json.part.json"]
    here = (target.parent / "corpus.json.part").stat().st_size
    assert f"goes on from the {here:,} bytes" in str(raised.value)
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
    with pytest.raises(DataError, match="expected to hear how long the file is, the server does not say"):
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


def other_process(code: str, *arguments: str) -> subprocess.Popen:
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments], cwd=ROOT, env=environment(), stderr=subprocess.PIPE, text=True
    )


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


def test_two_processes_at_once_fetch_a_file_once(server, tmp_path):
    server.moods = ["stall"]
    code = "import sys; from pathlib import Path; from test_data_download import *; "
    code += "download([offer(RemoteFile(*sys.argv[1:3]))], Path(sys.argv[3]), AT_ONCE)"
    wanted = remote(server)
    arguments = (f"import sys; sys.path.insert(0, {str(Path(__file__).parent)!r}); {code}", wanted.url, wanted.sha256)
    processes = [other_process(*arguments, str(tmp_path)) for _ in range(2)]
    until(lambda: server.log)
    time.sleep(0.5)  # time for the second one to do harm
    server.over.set()
    assert [process.wait(20) for process in processes] == [0, 0]
    assert (tmp_path / "OCNLI/dev.json").read_bytes() == CONTENT
    assert ranges(server) == [(None, 200), (f"bytes={HALF}-", 206)], "the second process finds the file"


def until(is_so) -> None:
    deadline = time.monotonic() + 10
    while not is_so():
        assert time.monotonic() < deadline, "waited for ten seconds in vain"
        time.sleep(0.02)


# Archives.


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


MAKERS = pytest.mark.parametrize(("make", "name"), [(make_zip, "a.zip"), (make_tar, "a.tar.gz")], ids=["zip", "tar.gz"])


@MAKERS
def test_members_go_where_the_list_says_and_nothing_else_is_taken(tmp_path, make, name):
    packed = make(tmp_path / name, {"x/zh/dev.tsv": CONTENT, "x/de/dev.tsv": b"nein"})
    unpack(packed, {"x/zh/dev.tsv": tmp_path / "PAWSX" / "dev.tsv"})
    assert (tmp_path / "PAWSX" / "dev.tsv").read_bytes() == CONTENT
    assert sorted(path.name for path in tmp_path.rglob("*")) == sorted([name, "PAWSX", "dev.tsv"])


@MAKERS
@pytest.mark.parametrize("path", ["../../evil.txt", "/tmp/evil.txt", "x/../../evil.txt", "..\\evil.txt"])
def test_an_archive_with_a_path_out_of_itself_is_refused(tmp_path, make, name, path):
    packed = make(tmp_path / name, {"dev.tsv": b"1", path: b"evil"})
    with pytest.raises(DataError, match=r"refused: the path .*evil\.txt' leads out of the archive"):
        unpack(packed, {"dev.tsv": tmp_path / "dev.tsv"})
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_link_is_no_member(tmp_path):
    packed = make_tar(tmp_path / "a.tar.gz", {}, {"dev.tsv": "/etc/passwd"})
    with pytest.raises(DataError, match=r"expected a plain file dev\.tsv, found a link"):
        unpack(packed, {"dev.tsv": tmp_path / "dev.tsv"})
    linked = zipfile.ZipInfo("dev.tsv")
    linked.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as zipped:
        zipped.writestr(linked, "/etc/passwd")
    with pytest.raises(DataError, match=r"expected a plain file dev\.tsv, found a link"):
        unpack(tmp_path / "a.zip", {"dev.tsv": tmp_path / "dev.tsv"})


@MAKERS
def test_an_archive_that_unpacks_to_too_much_is_refused(tmp_path, make, name, monkeypatch):
    monkeypatch.setattr(archive, "LARGEST_BYTES", 1_000_000)
    packed = make(tmp_path / name, {"dev.tsv": b"1", "bomb": bytes(1_000_000)})
    with pytest.raises(DataError, match="refused: more than 1,000,000 bytes when unpacked"):
        unpack(packed, {"dev.tsv": tmp_path / "dev.tsv"})


@MAKERS
@pytest.mark.parametrize("kept", [0, 10, 0.5, 0.98])
def test_a_truncated_archive_is_refused_and_nothing_is_written(tmp_path, make, name, kept):
    packed = make(tmp_path / name, {"dev.tsv": CONTENT})
    whole = packed.read_bytes()
    packed.write_bytes(whole[: int(kept * len(whole)) if kept < 1 else kept])
    with pytest.raises(DataError, match=r"not a whole archive|expected dev\.tsv in the archive, found -"):
        unpack(packed, {"dev.tsv": tmp_path / "dev.tsv"})
    assert [path.name for path in tmp_path.iterdir()] == [name]


@MAKERS
def test_an_archive_without_the_member_says_what_it_holds(tmp_path, make, name):
    packed = make(tmp_path / name, {"zh/dev_2k.tsv": b"1"})
    with pytest.raises(DataError, match=r"expected dev\.tsv in the archive, found zh/dev_2k\.tsv"):
        unpack(packed, {"dev.tsv": tmp_path / "dev.tsv"})


def test_another_file_in_a_members_place_is_kept(tmp_path):
    packed = make_zip(tmp_path / "a.zip", {"dev.tsv": CONTENT})
    (tmp_path / "dev.tsv").write_bytes(b"mine")
    with pytest.raises(DataError, match="another file is in the way"):
        unpack(packed, {"dev.tsv": tmp_path / "dev.tsv"})
    assert (tmp_path / "dev.tsv").read_bytes() == b"mine"


# The command.


def offer(remote_file: RemoteFile, target: str = "OCNLI/dev.json", **members: str) -> Offer:
    return Offer("OCNLI", "pairs", "CC BY-NC 2.0", "https://example.org/terms", (Item(remote_file, target, members),))


def command(offers: list[Offer], *arguments: str) -> int:
    """A tiny main with the options of prepare; logs and errors to standard error, as the real one."""

    def main(argv):
        parser = argparse.ArgumentParser()
        parser.add_argument("--recipe", default="demo")
        add_download_arguments(parser)
        parser.add_argument("overrides", nargs="*")
        download_from(parser.parse_args(argv), Path("nowhere"), offers, AT_ONCE)

    return run_main(main, arguments)


def test_without_acceptance_the_terms_are_shown_and_nothing_is_requested(server, tmp_path, capsys):
    offers = [offer(remote(server))]
    assert command(offers, "--download", "ocnli", "--data", str(tmp_path / "my data"), "--", "seed=1") == 2
    shown = capsys.readouterr().err
    assert "OCNLI: pairs\n  licence: CC BY-NC 2.0\n  full terms: https://example.org/terms\n" in shown
    assert not server.log and list(tmp_path.iterdir()) == []

    accepting = shlex.split(shown.strip().splitlines()[-1])
    assert accepting[:4] == ["python", "-m", "final_project", "prepare"]
    assert command(offers, *accepting[4:]) == 0
    assert (tmp_path / "my data/OCNLI/dev.json").read_bytes() == CONTENT


def test_terms_accepted_for_one_corpus_do_not_cover_another(server, tmp_path, capsys):
    offers = [offer(remote(server)), Offer("PAWSX", "pairs", "free", "https://example.org", ())]
    assert command(offers, "--download", "all", "--accept-licence", "PAWSX", "--data", str(tmp_path)) == 2
    assert "--download OCNLI PAWSX --accept-licence OCNLI PAWSX" in capsys.readouterr().err and not server.log


def test_an_archive_is_fetched_once_and_unpacked_where_the_registry_looks(server, tmp_path):
    server.content = make_zip(tmp_path / "made.zip", {"train.json": b"{}\n", "dev.json": CONTENT}).read_bytes()
    members = {"train.json": "OCNLI/train.json", "dev.json": "OCNLI/dev.json"}
    offers = [offer(remote(server, server.content), "downloads/clue.zip", **members)]
    for _ in range(2):
        files = download(offers, tmp_path)
        assert files == [tmp_path / "OCNLI/train.json", tmp_path / "OCNLI/dev.json"]
        assert files[1].read_bytes() == CONTENT
        files[0].unlink()
    assert len(server.log) == 1, "what is missing comes out of the archive that is here"


def test_a_wrong_checksum_ends_the_command_with_2(server, tmp_path, capsys):
    server.content = b"not it"
    arguments = ("--download", "OCNLI", "--accept-licence", "all", "--data", str(tmp_path))
    assert command([offer(remote(server))], *arguments) == 2
    assert "expected SHA-256" in capsys.readouterr().err


def test_a_misspelt_name_gets_a_suggestion_and_one_that_is_not_served_a_way(capsys):
    with pytest.raises(ProjectError, match=r"no download named 'OCNLY'; did you mean OCNLI\?"):
        download_from(argparse.Namespace(download=["OCNLY"], accept_licence=[], data=None), Path())
    with pytest.raises(ProjectError, match=r"no download named 'LCQMC'; .* python -m final_project corpora"):
        download_from(argparse.Namespace(download=["LCQMC"], accept_licence=[], data=None), Path())


def test_nothing_happens_unless_asked(tmp_path):
    arguments = argparse.Namespace(download=None, accept_licence=[], data=None)
    assert download_from(arguments, tmp_path / "data") == [] and list(tmp_path.iterdir()) == []
    with pytest.raises(ProjectError, match="--accept-licence goes with --download"):
        download_from(argparse.Namespace(download=None, accept_licence=["all"], data=None), tmp_path)


# The list.

ITEMS = [(offer, item) for offer in OFFERS for item in offer.items]


@pytest.mark.parametrize(("offer", "item"), ITEMS, ids=lambda value: getattr(value, "target", None))
def test_an_entry_is_safe_and_complete(offer, item):
    assert item.remote.url.startswith("https://")
    assert re.fullmatch("[0-9a-f]{64}", item.remote.sha256)
    assert not any(part in (item.remote.url) for part in ("/main/", "/master/")), "an address that never changes"
    for place in (item.target, *item.members.values()):
        assert not PurePosixPath(place).is_absolute() and ".." not in PurePosixPath(place).parts
    assert bool(item.members) == item.target.endswith((".zip", ".tar.gz"))


def test_checksums_are_those_of_the_real_files():
    packed = ROOT.parent / "shared" / "data" / "corpora.tar.xz"
    if not packed.is_file():
        pytest.skip(f"the real corpora are not at hand: {packed}")
    listed = {item.target.lower(): item.remote for _, item in ITEMS}
    checked = []
    with tarfile.open(packed) as corpora:
        for entry in corpora:
            name = entry.name.removeprefix("./").removeprefix("corpora/")
            if name in listed:
                content = corpora.extractfile(entry).read()
                assert listed[name].sha256 == hashlib.sha256(content).hexdigest()
                assert listed[name].n_bytes == len(content)
                checked.append(name)
    assert len(checked) == 4


@pytest.mark.parametrize(("offer", "item"), ITEMS, ids=lambda value: getattr(value, "target", None))
def test_the_registry_finds_what_is_downloaded(offer, item, tmp_path):
    corpus = find_corpus(offer.corpus)
    for place in item.members.values() or [item.target]:
        path = tmp_path / place
        path.parent.mkdir(exist_ok=True)
        path.touch()
        assert path in [find_part(corpus, part, [tmp_path]) for part in corpus.parts], f"{place} is not in the entry"
