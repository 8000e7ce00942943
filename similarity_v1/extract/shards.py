"""A file of pairs in shards of a fixed number of rows: the unit of work, of resuming, and of the hand-over between
processes.

Which rows share a batch depends on their shard alone, so neither the number of processes nor a resume changes a digit.
Finished shards are kept in a hidden folder next to the output, one file each, whole or absent; job.json in it names
the model, pairs and options that they belong to.
"""

from __future__ import annotations

import fcntl
import hashlib
import itertools
import json
import logging
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from final_project.artifacts import digest_of, file_digest, write_atomic, write_json
from final_project.data.files.contest import iter_segmented, parse_object, segmented_pair
from final_project.data.files.encodings import GB18030, UTF_16
from final_project.data.files.how_to_read import AS_NAMED, HowToRead
from final_project.data.files.pair_file import PairFile
from final_project.data.records import SegmentedPair
from final_project.errors import ArtifactError, DataError
from final_project.prepare.rows_to_explain import iter_explained

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PairShards:
    """A checked file of pairs. starts: per shard, the line number (from 1) and the byte at which it begins."""

    path: Path
    n_rows: int
    shard_rows: int
    digest: str
    starts: tuple[tuple[int, int], ...]

    def __len__(self) -> int:
        return len(self.starts)

    def rows_in(self, shard: int) -> int:
        return min(self.shard_rows, self.n_rows - shard * self.shard_rows)

    def read(self, shard: int) -> list[SegmentedPair]:
        """The rows of one shard, read from its place in the file."""
        line, byte = self.starts[shard]
        try:
            with self.path.open("rb") as file:
                file.seek(byte)
                return list(itertools.islice(self._rows(file, line), self.rows_in(shard)))
        except OSError as error:
            raise DataError(self.path, f"cannot read: {error.strerror}") from error

    def _rows(self, file: IO[bytes], first_line: int) -> Iterator[SegmentedPair]:
        for line, raw in enumerate(file, start=first_line):
            if text := raw.decode("utf-8-sig").strip():
                yield segmented_pair(self.path, line, parse_object(self.path, line, text))


@dataclass(frozen=True)
class OtherShards(PairShards):
    """A checked file of pairs in any other form or encoding, which is read up to the shard each time it is asked for
    one: what is not lines of UTF-8 has no place to go to."""

    how: HowToRead = AS_NAMED

    def read(self, shard: int) -> list[SegmentedPair]:
        first, _ = self.starts[shard]
        rows = itertools.islice(iter_explained(self.path, self.how, say=False), first, first + self.rows_in(shard))
        return list(rows)


def find_shards(path: Path, shard_rows: int, how: HowToRead = AS_NAMED) -> PairShards:
    """Check every row of the file and note where the shards begin; no row is kept. Raises DataError."""
    opened = PairFile(path, how)
    if not opened.is_contest or opened.file.encoding in (GB18030, UTF_16):
        n_rows = sum(1 for _ in iter_explained(path, how))
        starts_by_row = tuple((first, 0) for first in range(0, n_rows, shard_rows))
        key = digest_of({"rows": file_digest(path), "columns": dict(how.columns)})
        return OtherShards(path, n_rows, shard_rows, key, starts_by_row, how)
    first_lines, n_rows = [], 0
    for n_rows, (line, _) in enumerate(iter_segmented(path), start=1):
        if (n_rows - 1) % shard_rows == 0:
            first_lines.append(line)
    wanted = set(first_lines)
    starts: list[tuple[int, int]] = []
    byte, digest = 0, hashlib.sha256()
    with path.open("rb") as file:
        for line, raw in enumerate(file, start=1):
            if line in wanted:
                starts.append((line, byte))
            digest.update(raw)
            byte += len(raw)
    return PairShards(path, n_rows, shard_rows, digest.hexdigest(), tuple(starts))


class ShardFolder:
    """Finished shards next to an output, reused only under the key that they were made for.

    Each process of a call holds a lock in it, which ends with the process, however that ends.
    """

    def __init__(self, output: Path):
        self.output = output
        self.path = output.with_name(f".{output.name}.shards")
        self._lock: IO | None = None

    def begin(self, key: str) -> None:
        """Make the folder ready, as the first process; shards of another key are removed, and that is logged. Waits
        for an earlier call that is still at work in it. Raises ArtifactError where it cannot be written."""
        job = self.path / "job.json"
        try:
            if self.output.is_dir():
                raise IsADirectoryError(21, "Is a directory")
            self.hold(0)
            for lock in self.path.glob("*.lock"):  # the first process of that call may be gone, another not yet
                if lock != self._lock_file(0):
                    self._locked(lock).close()
            if not job.is_file() or json.loads(job.read_text(encoding="utf-8")) != {"key": key}:
                self._clear()
        except ValueError as error:
            raise ArtifactError(f"{job}: unreadable; delete {self.path} and run the command again") from error
        except OSError as error:
            raise ArtifactError(f"{self.output}: cannot write: {error.strerror or error}") from error
        try:
            write_json(job, {"key": key})
        except ArtifactError:
            self.remove_if_empty()
            self.release()
            raise

    def hold(self, rank: int) -> None:
        """Take the lock of one process and keep it until `release`, or the end of the process."""
        while self._lock is None:
            self.path.mkdir(parents=True, exist_ok=True)
            lock = self._locked(self._lock_file(rank))
            # the call that was waited for has removed the folder, and the lock's file with it
            if not self._lock_file(rank).is_file():
                lock.close()
                continue
            self._lock = lock

    def release(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def is_held(self, rank: int) -> bool:
        """Whether the process of that rank is alive."""
        with self._lock_file(rank).open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
        return False

    def shard_path(self, shard: int) -> Path:
        return self.path / f"{shard:06d}.parquet"

    def is_done(self, shard: int) -> bool:
        return self.shard_path(shard).is_file()

    def add(self, shard: int, parquet: bytes) -> None:
        with write_atomic(self.shard_path(shard), "wb") as file:
            file.write(parquet)

    def remove(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    def remove_if_empty(self) -> None:
        """After a failure: finished shards stay for the next call, a folder without any does not."""
        if not any(self.path.glob("*.parquet")):
            self.remove()

    def _clear(self) -> None:
        shards = list(self.path.glob("*.parquet"))
        if shards:
            log.info("%s: removing %d shards of another model, pairs or options", self.path, len(shards))
        for path in shards:
            path.unlink()

    def _lock_file(self, rank: int) -> Path:
        return self.path / f"{rank}.lock"

    def _locked(self, lock_file: Path) -> IO:
        lock = lock_file.open("w")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("%s: another process is working on it; waiting for it to end", self.output)
            fcntl.flock(lock, fcntl.LOCK_EX)
        return lock
