"""`prepare --download`: licences first, then each file once; and the list of what may be fetched."""

from __future__ import annotations

import argparse
import hashlib
import re
import shlex
import tarfile
import time
from pathlib import Path, PurePosixPath

import pytest
from conftest import ROOT
from download_server import (
    AT_ONCE,
    CONTENT,
    HALF,
    make_zip,
    other_process,
    ranges,
    remote,
    running_server,  # noqa: F401 (the fixture `server`)
    until,
)

from final_project.cli import run_main
from final_project.commands.prepare import add_download_arguments, download_from
from final_project.data.corpora.inventory import find_part
from final_project.data.corpora.registry import find_corpus
from final_project.data.download import download
from final_project.data.download.offers import OFFERS, Item, Offer
from final_project.data.download.transfer import RemoteFile
from final_project.errors import ProjectError


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
    with pytest.raises(ProjectError, match="--accept-licence needs --download"):
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


@pytest.mark.stage
def test_two_processes_at_once_fetch_a_file_once(server, tmp_path):
    server.moods = ["stall"]
    code = "import sys; from pathlib import Path; from test_data_download_command import *; "
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
