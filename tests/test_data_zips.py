"""Zips of others: looked at before they are unpacked, refused with a name, in time and without filling the memory."""

from __future__ import annotations

import resource
import struct
import tracemalloc
import zipfile

import pytest

from final_project.data.download.archive import unpack
from final_project.errors import DataError
from similarity_v1.rationales.submission import read_submission, write_zip

TEXT = b"1\t1\t3,0\t5,0,1\n2\t0\t2\t1,0\n"


def packed(path, *entries, method=zipfile.ZIP_DEFLATED):
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return bytearray(path.read_bytes())


def patched(path, field, form, value):
    """The zip with one field of its only entry, in the directory, set to another value; field: its place there."""
    raw = bytearray(path.read_bytes())
    struct.pack_into(form, raw, raw.rindex(b"PK\x01\x02") + field, value)
    path.write_bytes(raw)


METHOD, SIZE, PACKED_SIZE, FLAGS = (10, "<H"), (24, "<I"), (20, "<I"), (8, "<H")


def lzma_of_gigabytes(path):
    """An LZMA entry whose properties ask for a dictionary of 4 GB, in fewer than 200 bytes."""
    packed(path, ("s.txt", b"1"), method=zipfile.ZIP_LZMA)
    raw = bytearray(path.read_bytes())
    place = raw.index(b"s.txt") + 5
    struct.pack_into("<I", raw, place + 5, 0xFFFFFFFF)
    path.write_bytes(raw)
    assert len(raw) < 200


def damaged_lzma(path):
    raw = packed(path, ("s.txt", TEXT * 90), method=zipfile.ZIP_LZMA)
    raw[60:70] = b"\xff" * 10
    path.write_bytes(raw)


def states_gigabytes(path):
    packed(path, ("s.txt", TEXT))
    patched(path, *SIZE, 0xF0000000)


def with_end(path, **fields):
    """Another record at the end: the zip's directory states other sizes."""
    raw = packed(path, ("s.txt", TEXT))
    for place, value in fields.values():
        struct.pack_into("<I", raw, raw.rindex(b"PK\x05\x06") + place, value)
    path.write_bytes(raw)


def zip64_lie(path):
    """zip64 records that state a directory of a terabyte."""
    raw = bytes(packed(path, ("s.txt", TEXT)))
    end = raw.rindex(b"PK\x05\x06")
    record = struct.pack("<4sQHHIIQQQQ", b"PK\x06\x06", 44, 45, 45, 0, 0, 1, 1, 1 << 40, 0)
    locator = struct.pack("<4sIQI", b"PK\x06\x07", 0, end, 1)
    path.write_bytes(raw[:end] + record + locator + raw[end:])


def name_of_other_bytes(path):
    raw = packed(path, ("sé.txt", TEXT))
    path.write_bytes(bytes(raw).replace("é".encode(), b"\xff\xfe"))


def link(path):
    entry = zipfile.ZipInfo("s.txt")
    entry.external_attr = 0o120777 << 16
    packed(path, (entry, "/etc/passwd"))


def several(*names):
    return lambda path: packed(path, *((name, TEXT) for name in names))


def lying(field, value):
    def make(path):
        packed(path, ("s.txt", TEXT))
        patched(path, *field, value)

    return make


def cut_directory(path):
    raw = packed(path, ("s.txt", TEXT))
    place = raw.rindex(b"PK\x01\x02")
    path.write_bytes(raw[: place + 20] + raw[raw.rindex(b"PK\x05\x06") :])


BAD = {
    "LZMA that asks for gigabytes": (lzma_of_gigabytes, "'s.txt' is packed by LZMA; expected stored or deflated"),
    "damaged LZMA": (damaged_lzma, "'s.txt' is packed by LZMA"),
    "bzip2": (lambda path: packed(path, ("s.txt", TEXT), method=zipfile.ZIP_BZIP2), "'s.txt' is packed by bzip2"),
    "a method nobody knows": (lying(METHOD, 77), "'s.txt' is packed by method 77"),
    "gigabytes stated": (states_gigabytes, "the zipped file is larger than 819,200 bytes; it is not read"),
    "more stated than there is": (
        lying(SIZE, len(TEXT) + 1),
        f"bytes and unpacks to {len(TEXT)}",
    ),
    "less stated than there is": (lying(SIZE, len(TEXT) - 1), "not a zip that can be read"),
    "more packed stated than there is": (lying(PACKED_SIZE, 5000), "not a zip that can be read"),
    "encrypted": (lying(FLAGS, 1), "'s.txt' is encrypted"),
    "strongly encrypted": (lying(FLAGS, 0x40), "'s.txt' is encrypted"),
    "stored of another size": (lying(METHOD, 0), "packed ones cannot hold"),
    "a directory of gigabytes": (lambda path: with_end(path, size=(12, 0xF0000000)), "its directory has 4,026,531,840"),
    "a zip64 lie": (zip64_lie, "zip64, which only archives beyond 4 GB need"),
    "a cut directory": (cut_directory, "not a zip that can be read"),
    "a name of other bytes": (name_of_other_bytes, "not a zip that can be read"),
    "a link": (link, "one plain file at its top, found 's.txt'"),
    "two files": (several("s.txt", "t.txt"), "exactly one file, found 2: 's.txt', 't.txt'"),
    "what macOS adds": (several("s.txt", "__MACOSX/._s.txt"), "found 2: 's.txt', '__MACOSX/._s.txt'"),
    "many files": (
        several(*(f"{k}.txt" for k in range(9))),
        "'0.txt', '1.txt', '2.txt', '3.txt', '4.txt', ...",
    ),
    "a folder and its file": (several("a/", "a/s.txt"), "found 2: 'a/', 'a/s.txt'"),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("case", [*BAD, "one name twice"])
def test_a_bad_submission_zip_is_refused_with_its_reason(tmp_path, case):
    make, said = BAD.get(case) or (several("s.txt", "s.txt"), "found 2: 's.txt', 's.txt'")
    make(tmp_path / "s.zip")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    tracemalloc.start()
    with pytest.raises(DataError) as caught:
        read_submission(tmp_path / "s.zip")
    assert tracemalloc.get_traced_memory()[1] < 20_000_000
    tracemalloc.stop()
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kilobytes
    assert str(caught.value).startswith(f"{tmp_path / 's.zip'}: ") and said in str(caught.value)


AS_ARCHIVE = [case for case in BAD if not case.startswith(("two", "what", "many", "a folder", "a link"))]


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("case", [*AS_ARCHIVE, "one name twice"])
def test_a_bad_archive_is_refused_and_nothing_is_written(tmp_path, case):
    make = BAD[case][0] if case in BAD else several("s.txt", "s.txt")
    make(tmp_path / "s.zip")
    with pytest.raises(DataError, match=r"s\.zip: "):
        unpack(tmp_path / "s.zip", {"s.txt": tmp_path / "out" / "s.txt"})
    assert not (tmp_path / "out" / "s.txt").exists()


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_stored_and_deflated_zips_are_read(tmp_path, method):
    packed(tmp_path / "s.zip", ("s.txt", TEXT), method=method)
    (tmp_path / "s.txt").write_bytes(TEXT)
    assert read_submission(tmp_path / "s.zip") == read_submission(tmp_path / "s.txt")
    write_zip(tmp_path / "own.zip", tmp_path / "s.txt")
    assert read_submission(tmp_path / "own.zip") == read_submission(tmp_path / "s.txt")
    unpack(tmp_path / "s.zip", {"s.txt": tmp_path / "out.txt"})
    assert (tmp_path / "out.txt").read_bytes() == TEXT
