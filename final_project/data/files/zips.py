"""Zips from elsewhere: what their directory states is looked at before anything is unpacked.

Python would hand an entry to whatever method its directory names, and LZMA allots what two bytes of the entry ask for.
Only stored and deflated entries are read: not encrypted, of the stated size, with a bounded directory.
"""

from __future__ import annotations

import contextlib
import stat
import struct
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from final_project.errors import DataError, first_line

UNFIT = "not a zip that can be read"
METHODS = {zipfile.ZIP_STORED: "stored", zipfile.ZIP_DEFLATED: "deflated"}
NAMES = {zipfile.ZIP_BZIP2: "bzip2", zipfile.ZIP_LZMA: "LZMA", 9: "deflate64", 93: "Zstandard", 95: "XZ", 99: "AES"}
MAX_DIRECTORY_BYTES = 4 << 20  # about 50,000 entries
PIECE_BYTES = 1 << 20
MAX_RATIO = 1100  # deflate reaches 1,032
END, END_64 = b"PK\x05\x06", b"PK\x06\x07"
HEADER_BYTES = 30  # of an entry, and its name
END_BYTES, END_64_BYTES, LONGEST_COMMENT = 22, 20, 65_535
ENCRYPTED = 0x1 | 0x40
BROKEN = (
    *(zipfile.BadZipFile, zlib.error, struct.error, EOFError, OSError, ValueError),
    *(RuntimeError, NotImplementedError, OverflowError, MemoryError, IndexError, KeyError),
)


@contextlib.contextmanager
def opened_zip(path: Path, otherwise: str) -> Iterator[zipfile.ZipFile]:
    """The zip, its directory read. Raises DataError where it cannot be read to the end; `otherwise` is what to do."""
    try:
        with path.open("rb") as file:
            _check_end(path, file)
            with zipfile.ZipFile(file) as archive:
                yield archive
    except DataError:
        raise
    except OSError as error:
        raise DataError(path, f"cannot read: {error.strerror or error}") from error
    except BROKEN as error:
        raise DataError(path, f"{otherwise}: {first_line(error)[:100]}") from error


def check_entries(path: Path, archive: zipfile.ZipFile, most_bytes: int) -> None:
    """Refuse what is not to be unpacked, by what the directory states. most_bytes: of all entries together."""
    entries = archive.infolist()
    if twice := [name for name, count in Counter(entry.filename for entry in entries).items() if count > 1]:
        raise DataError(path, f"{UNFIT}: it holds {twice[0][:80]!r} more than once")
    for entry in entries:
        shown = repr(entry.filename[:80])
        if entry.flag_bits & ENCRYPTED:
            raise DataError(path, f"{UNFIT}: {shown} is encrypted")
        if entry.compress_type not in METHODS:
            method = NAMES.get(entry.compress_type, f"method {entry.compress_type}")
            raise DataError(path, f"{UNFIT}: {shown} is packed by {method}; expected stored or deflated")
        if entry.header_offset + HEADER_BYTES + entry.compress_size > archive.start_dir:
            raise DataError(path, f"{UNFIT}: {shown} runs on beyond the data, or a truncated one")
        if entry.file_size > max(entry.compress_size, 1) * MAX_RATIO or (
            entry.compress_type == zipfile.ZIP_STORED and entry.file_size != entry.compress_size
        ):
            raise DataError(
                path,
                f"{UNFIT}: {shown} states {entry.file_size:,} bytes, which {entry.compress_size:,} packed ones cannot "
                "hold",
            )
    n_bytes = sum(entry.file_size for entry in entries)
    if n_bytes > most_bytes:
        raise DataError(path, f"refused: more than {most_bytes:,} bytes when unpacked")


def is_plain_file(entry: zipfile.ZipInfo) -> bool:
    """Neither a folder nor a link; 0 is the kind of what was packed where files have none."""
    return stat.S_IFMT(entry.external_attr >> 16) in (0, stat.S_IFREG) and not entry.is_dir()


def read_pieces(path: Path, archive: zipfile.ZipFile, entry: zipfile.ZipInfo) -> Iterator[bytes]:
    """An entry's bytes, as many as its directory states; raises DataError where it holds others."""
    n_bytes = 0
    with archive.open(entry) as file:
        while piece := file.read(PIECE_BYTES):
            n_bytes += len(piece)
            yield piece
    if n_bytes != entry.file_size:
        raise DataError(
            path, f"{entry.filename[:80]!r} states {entry.file_size:,} bytes and unpacks to {n_bytes:,}: damaged"
        )


def _check_end(path: Path, file: IO[bytes]) -> None:
    """Refuse a directory that is too large to be read, by the record at the file's end. zip64 has another record, of
    sizes that Python would allot at once; only archives beyond 4 GB need it."""
    size = file.seek(0, 2)
    file.seek(max(size - END_BYTES - LONGEST_COMMENT - END_64_BYTES, 0))
    tail = file.read()
    place = tail.rfind(END)
    if place < 0 or len(tail) < place + END_BYTES:
        raise zipfile.BadZipFile("no end of a directory")
    (n_bytes,) = struct.unpack("<I", tail[place + 12 : place + 16])
    if tail[max(place - END_64_BYTES, 0) : place].startswith(END_64) or n_bytes == 0xFFFFFFFF:
        raise DataError(path, f"{UNFIT}: zip64, which only archives beyond 4 GB need")
    if n_bytes > MAX_DIRECTORY_BYTES:
        raise DataError(path, f"{UNFIT}: its directory has {n_bytes:,} bytes; at most {MAX_DIRECTORY_BYTES:,} are read")
