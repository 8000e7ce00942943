"""One file from the network: streamed into NAME.part, resumed, checked against its SHA-256, renamed into place.

After a broken connection or a killed process the next attempt resumes. NAME.part.json holds the mark that the
server gave this version of the file (ETag or Last-Modified): the rest is asked for on the condition that the mark still
holds, so two versions never end up in one file.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
import re
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from http.client import HTTPResponse
from pathlib import Path
from typing import IO

from final_project.artifacts import file_digest, write_json
from final_project.data.download.request import Interrupted, RangeRefused, Unreachable, ask, read_piece, version_mark
from final_project.errors import ArtifactError, DataError, EnvironmentProblem
from final_project.run.progress import progress

log = logging.getLogger(__name__)

WAITS_S = (1.0, 2.0, 4.0, 8.0, 16.0)  # before the second, third, ... attempt
TIMEOUT_S = 30.0
MEBIBYTE = 1 << 20


@dataclass(frozen=True)
class RemoteFile:
    """What to fetch: the address, the SHA-256 of the content, and its size, None where only the server knows it."""

    url: str
    sha256: str
    n_bytes: int | None = None


def fetch(remote: RemoteFile, target: Path, waits_s: Sequence[float] = WAITS_S, timeout_s: float = TIMEOUT_S) -> None:
    """Bring the file to `target`. Where it lies there already, nothing is requested. One process at a time.

    Raises DataError where another file is in the way, where the server does not have the file, and where the content
    is not the one expected; EnvironmentProblem where the server cannot be reached or every attempt was cut short;
    ArtifactError where the disk is full or cannot be written. What has arrived is kept, but for wrong content.
    """
    if is_here(target, remote.sha256):
        return
    log.info("%s: downloading from %s", target, remote.url)
    part = PartialFile(target)
    for attempt, wait_s in enumerate((*waits_s, None), start=1):
        try:
            _attempt(remote, part, timeout_s)
            part.path.replace(target)
            return part.drop()
        except Interrupted as interruption:
            if isinstance(interruption, Unreachable) and attempt == 1:
                raise EnvironmentProblem(
                    f"{remote.url}: {interruption}; is this machine offline, or behind a proxy that https_proxy should "
                    "name? Files may also be placed by hand"
                ) from interruption
            if wait_s is None:
                raise EnvironmentProblem(
                    f"{remote.url}: {interruption}; gave up after {attempt} attempts; run the same command "
                    f"again to resume after the {part.n_bytes:,} bytes already downloaded"
                ) from interruption
            log.info("%s: %s; trying again in %g s", target.name, interruption, wait_s)
            time.sleep(wait_s)
        except OSError as error:  # the network's errors are Interrupted: this is the disk
            raise ArtifactError(f"{part.path}: cannot write: {error.strerror or error}") from error


def is_here(target: Path, sha256: str) -> bool:
    """Whether the file lies at `target`. One with other content may be the user's own: DataError, never overwritten."""
    if not target.exists():
        return False
    if not target.is_file():
        raise DataError(target, "expected a file or nothing, found a folder")
    found = file_digest(target)
    if found != sha256:
        raise DataError(target, f"another file is in the way: expected SHA-256 {sha256}, found {found}; move it away")
    log.info("%s: already downloaded", target)
    return True


class PartialFile:
    """What has arrived so far, NAME.part, and its source and version, NAME.part.json."""

    def __init__(self, target: Path):
        self.path = target.with_name(f"{target.name}.part")
        self._note = target.with_name(f"{target.name}.part.json")

    @property
    def n_bytes(self) -> int:
        return self.path.stat().st_size if self.path.is_file() else 0

    def version(self, url: str) -> str:
        """The server's mark of the version that these bytes belong to; empty where they cannot be continued."""
        try:
            note = json.loads(self._note.read_text(encoding="utf-8"))
        except (FileNotFoundError, json.JSONDecodeError):
            return ""
        return note["version"] if note["url"] == url else ""

    def begin(self, url: str, version: str) -> None:
        """Start from the first byte. Emptied before the note changes: no note ever vouches for another version."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_bytes(b"")
        write_json(self._note, {"url": url, "version": version})

    def take_in(self, digest: hashlib._Hash) -> None:
        """Let the digest see what is here."""
        with self.path.open("rb") as file:
            while piece := file.read(MEBIBYTE):
                digest.update(piece)

    def drop(self) -> None:
        self.path.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)


def _attempt(remote: RemoteFile, part: PartialFile, timeout_s: float) -> None:
    """One request, for what is still missing. Returns when the part is whole and verified."""
    digest = hashlib.sha256()
    version = part.version(remote.url)
    kept = part.n_bytes if version else 0
    if kept and kept == remote.n_bytes:  # killed between the last byte and the new name
        part.take_in(digest)
    else:
        _receive(remote, part, kept, version, digest, timeout_s)
    if digest.hexdigest() != remote.sha256:
        part.drop()
        raise DataError(
            remote.url,
            f"expected SHA-256 {remote.sha256}, found {digest.hexdigest()}; the download was deleted, try again",
        )


def _receive(
    remote: RemoteFile, part: PartialFile, kept: int, version: str, digest: hashlib._Hash, timeout_s: float
) -> None:
    """Complete the part; the digest sees all of it."""
    try:
        response = ask(remote.url, {"Range": f"bytes={kept}-", "If-Range": version} if kept else {}, timeout_s)
    except RangeRefused:
        part.drop()
        raise
    with response:
        if kept and response.status == 206:
            offered = _size_by_range(response, kept, part)
            part.take_in(digest)
        elif response.status == 200:  # the whole file: nothing is here, or another version, or a server without ranges
            kept, offered = 0, response.length
            part.begin(remote.url, version_mark(response))
        else:
            raise DataError(remote.url, f"expected the file, the server answered {response.status} {response.reason}")
        n_bytes = _agreed_size(remote, offered, part)
        _require_space(part.path.parent, n_bytes - kept)
        with part.path.open("ab") as sink:
            steps = _copy(response, sink, digest, n_bytes - kept)
            for _ in progress(steps, -(-(n_bytes - kept) // MEBIBYTE), part.path.stem, unit="MiB"):
                pass
            os.fsync(sink.fileno())
    if part.n_bytes < n_bytes:
        raise Interrupted(f"the connection ended after {part.n_bytes:,} of {n_bytes:,} bytes")


def _size_by_range(response: HTTPResponse, kept: int, part: PartialFile) -> int | None:
    """The size of the whole file, by the answer to a request for its rest; None where the server does not say."""
    match = re.fullmatch(r"bytes (\d+)-\d+/(\d+|\*)", response.headers.get("Content-Range", ""))
    if match is None or int(match[1]) != kept:
        part.drop()
        raise Interrupted("the server sent another range than requested; starting over")
    return int(match[2]) if match[2] != "*" else None


def _agreed_size(remote: RemoteFile, offered: int | None, part: PartialFile) -> int:
    """The size of the whole file: by our list, by the server, or by both, which then have to agree."""
    known = {n_bytes for n_bytes in (remote.n_bytes, offered) if n_bytes is not None}
    if len(known) == 1:
        return known.pop()
    part.drop()
    if not known:
        raise DataError(
            remote.url, "the server does not state the size of the file: try later, or place the file by hand"
        )
    raise DataError(remote.url, f"expected {remote.n_bytes:,} bytes, the server offers {offered:,}")


def _require_space(folder: Path, n_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if n_bytes > free:
        raise ArtifactError(f"{folder}: cannot write: {n_bytes:,} bytes needed, {free:,} free on this disk")


def _copy(response: HTTPResponse, sink: IO[bytes], digest: hashlib._Hash, at_most: int) -> Iterator[None]:
    """Write what arrives, as it arrives; yield once a mebibyte, which is what the progress counts. A server that sends
    more than it should is not listened to: the checksum is wrong by then."""
    received = shown = 0
    while received <= at_most and (piece := read_piece(response)):
        sink.write(piece)
        sink.flush()  # so that a killed process leaves all that arrived
        digest.update(piece)
        received += len(piece)
        while received - shown >= MEBIBYTE:
            shown += MEBIBYTE
            yield
