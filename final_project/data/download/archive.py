"""Named files out of a zip or a tar.gz, each to a place of our choosing.

An archive decides nothing but content: where a file goes is the caller's word, and an archive that holds a path leading
out of itself, or more than any corpus could, is refused as a whole.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import shutil
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from final_project.artifacts import write_atomic
from final_project.data.download.transfer import is_here
from final_project.data.files.zips import check_entries, is_plain_file, opened_zip, read_pieces
from final_project.errors import ArtifactError, DataError, first_line

PIECE_BYTES = 1 << 20
LARGEST_BYTES = 2 << 30  # of all files of an archive together; the largest of ours holds 100 MB
BROKEN = (tarfile.TarError, zlib.error, EOFError, OSError, RuntimeError, ValueError, OverflowError)

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Entry:
    """One file of an archive, whichever the format. pieces: its bytes, never more than the archive states."""

    name: str
    n_bytes: int
    is_file: bool
    pieces: Callable[[], Iterator[bytes]]


def unpack(archive: Path, members: Mapping[str, Path]) -> None:
    """Take the members (name in the archive -> path to write) out, each whole or not at all.

    A member that lies there already is left alone. Raises DataError where the archive is damaged, lacks a member or is
    no honest one, and where another file is in the way; ArtifactError where the disk is full.
    """
    with _reading(archive), _entries(archive) as entries:
        by_name = {str(PurePosixPath(entry.name)): entry for entry in _honest(archive, entries)}
        if missing := [name for name in members if name not in by_name]:
            raise DataError(archive, f"expected {', '.join(missing)} in the archive, found {', '.join(by_name) or '-'}")
        for name, target in members.items():
            if not by_name[name].is_file:
                raise DataError(archive, f"expected a plain file {name}, found a link or a folder")
            if not is_here(target, _digest(by_name[name])):
                _write(archive, by_name[name], target)


def _write(archive: Path, entry: Entry, target: Path) -> None:
    free = shutil.disk_usage(archive.parent).free
    if entry.n_bytes > free:
        raise ArtifactError(f"{target}: cannot write: {entry.n_bytes:,} bytes needed, {free:,} free on this disk")
    with write_atomic(target, "wb") as file:
        for piece in entry.pieces():
            file.write(piece)
    log.info("%s: extracted from %s", target, archive.name)


def _digest(entry: Entry) -> str:
    digest = hashlib.sha256()
    for piece in entry.pieces():
        digest.update(piece)
    return digest.hexdigest()


def _honest(archive: Path, entries: Iterator[Entry]) -> Iterator[Entry]:
    n_bytes = 0
    for entry in entries:
        path = PurePosixPath(entry.name.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise DataError(archive, f"refused: the path {entry.name!r} leads out of the archive")
        n_bytes += entry.n_bytes
        if n_bytes > LARGEST_BYTES:
            raise DataError(archive, f"refused: more than {LARGEST_BYTES:,} bytes when unpacked")
        yield entry


@contextlib.contextmanager
def _entries(archive: Path) -> Iterator[Iterator[Entry]]:
    if archive.suffix == ".zip":
        with opened_zip(archive, "a damaged or incomplete archive; delete it and download again") as opened:
            check_entries(archive, opened, LARGEST_BYTES)
            yield (_of_zip(archive, opened, info) for info in opened.infolist())
    else:
        with tarfile.open(archive, "r:gz") as opened:
            yield (_of_tar(opened, info) for info in opened)


def _of_zip(archive: Path, opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> Entry:
    return Entry(info.filename, info.file_size, is_plain_file(info), lambda: read_pieces(archive, opened, info))


def _of_tar(opened: tarfile.TarFile, info: tarfile.TarInfo) -> Entry:
    def pieces() -> Iterator[bytes]:
        file = opened.extractfile(info)
        assert file is not None  # only plain files are read
        with file:
            while piece := file.read(PIECE_BYTES):
                yield piece

    return Entry(info.name, info.size, info.isreg(), pieces)


@contextlib.contextmanager
def _reading(archive: Path) -> Iterator[None]:
    try:
        yield
    except BROKEN as error:
        raise DataError(
            archive, f"a damaged or incomplete archive ({first_line(error)[:100]}); delete it and download again"
        ) from error
