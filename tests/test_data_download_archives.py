"""Unpacking what was downloaded: only what the list names, and only where it says."""

from __future__ import annotations

import zipfile

import pytest
from download_server import CONTENT, make_tar, make_zip

from final_project.data.download import archive
from final_project.data.download.archive import unpack
from final_project.errors import DataError

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
    with pytest.raises(DataError, match=r"a damaged or incomplete archive|expected dev\.tsv in the archive, found -"):
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
