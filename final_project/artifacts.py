"""Stage folders: atomic files, and a manifest that is written last.

A folder `runs/<recipe>/<stage>/` counts as finished only when its `manifest.json` is there. The manifest's key is a
digest of the stage's own settings and of the content of what it read, so a stage is run again exactly when one of
these has changed.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import logging
import os
import platform
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from importlib import metadata
from pathlib import Path
from typing import IO, Any

from final_project import __version__
from final_project.errors import ArtifactError

log = logging.getLogger(__name__)

RECORD_NAME = "result_record.csv"  # one row a run: the one file of a stage that outlives its reruns
PACKAGES = ("torch", "transformers", "deepspeed", "fairscale", "datasets", "scikit-learn", "pandas")


@contextlib.contextmanager
def write_atomic(path: str | Path, mode: str = "w") -> Iterator[IO]:
    """Open a temporary neighbour of `path` and rename it over `path` when the block ends without an error.

    Text is UTF-8 with LF. Whatever goes wrong, `path` is the old file or the whole new one. Raises ArtifactError
    where the place cannot be written or the disk is full.
    """
    path = Path(path)
    neighbour = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(21, "Is a directory")
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        neighbour = Path(name)
        text = {} if "b" in mode else {"encoding": "utf-8", "newline": "\n"}
        with os.fdopen(descriptor, mode, **text) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        neighbour.chmod(0o666 & ~_umask())
        neighbour.replace(path)
    except OSError as error:
        raise ArtifactError(f"{path}: cannot write: {error.strerror or error}") from error
    finally:
        if neighbour is not None:
            neighbour.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: str | Path, text: str) -> None:
    with write_atomic(path) as file:
        file.write(text)


def append_whole(path: Path, data: bytes) -> None:
    """Append all of the data, or leave the file as it was and raise OSError."""
    with path.open("ab") as file:
        before = file.tell()
        try:
            file.write(data)
            file.flush()
        except OSError:
            os.ftruncate(file.fileno(), before)
            raise


def write_json(path: str | Path, value: Any) -> None:
    write_text(path, json.dumps(value, ensure_ascii=False, indent=1, sort_keys=True) + "\n")


@contextlib.contextmanager
def folder_atomic(folder: Path) -> Iterator[Path]:
    """Yield an empty neighbour folder; it takes the place of `folder` when the block ends without an error."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    neighbour = folder.parent / f".{folder.name}.partial"
    old = folder.parent / f".{folder.name}.old"
    try:
        shutil.rmtree(neighbour, ignore_errors=True)
        neighbour.mkdir()
        yield neighbour
        if folder.exists():
            shutil.rmtree(old, ignore_errors=True)
            folder.rename(old)
        neighbour.rename(folder)
    except OSError as error:
        raise ArtifactError(f"{folder}: cannot write: {error.strerror or error}") from error
    finally:
        shutil.rmtree(neighbour, ignore_errors=True)
        shutil.rmtree(old, ignore_errors=True)


def file_digest(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def digest_of(value: Any) -> str:
    """A digest of anything JSON can hold; equal values give equal digests."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, ensure_ascii=False).encode()).hexdigest()


class StageFolder:
    """One stage's folder under a run, and the rules by which it counts as finished."""

    def __init__(self, run_dir: str | Path, stage: str):
        self.run_dir = Path(run_dir)
        self.stage = stage
        self.path = self.run_dir / stage
        self._began = time.monotonic()
        self._lock: IO | None = None

    @property
    def manifest_path(self) -> Path:
        return self.path / "manifest.json"

    def manifest(self) -> dict | None:
        """The manifest, or None where the stage has not finished."""
        try:
            return json.loads(self.manifest_path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (json.JSONDecodeError, OSError) as error:
            raise ArtifactError(
                f"{self.manifest_path}: unreadable ({error}); delete it and run the stage again"
            ) from error

    def outputs(self) -> dict[str, str]:
        """Content digests of what the finished stage wrote; raises ArtifactError where it has not finished."""
        manifest = self.manifest()
        if manifest is None:
            raise ArtifactError(f"{self.path} is missing or unfinished: run bash run.sh {self.stage}")
        missing = [name for name in manifest["outputs"] if not (self.path / name).is_file()]
        if missing:
            raise ArtifactError(f"{self.path / missing[0]} is missing: run bash run.sh --force {self.stage}")
        return manifest["outputs"]

    def is_finished(self, key: str) -> bool:
        manifest = self.manifest()
        return (
            manifest is not None
            and manifest["key"] == key
            and all((self.path / name).is_file() for name in manifest["outputs"])
        )

    def lock(self) -> None:
        """Wait until no other process works on this folder, and keep others out until this process ends.

        The lock goes with the process, however that ends. A run whose shell was killed may still be training.
        """
        if self._lock is not None:
            return
        try:
            self.run_dir.mkdir(parents=True, exist_ok=True)
            self._lock = (self.run_dir / f".{self.stage}.lock").open("w")
        except OSError as error:
            raise ArtifactError(f"{self.path}: cannot write: {error.strerror}") from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("%s: another process is at work on %s; waiting for it to end", self.stage, self.path)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            self._began = time.monotonic()  # waiting is no work

    def begin(self, key: str, fresh: bool = False) -> None:
        """Take the manifest away and make the folder ready. What an interrupted run of the same key left is kept
        for resuming; anything else, but for the record of all runs, is removed, and said."""
        self.lock()
        self.manifest_path.unlink(missing_ok=True)
        started = self.path / "started.json"
        if self.path.exists() and (fresh or not started.is_file() or json.loads(started.read_text())["key"] != key):
            why = "asked to start afresh" if fresh else "an earlier run had other settings or inputs"
            log.info("%s: removing %s (%s)", self.stage, self.path, why)
            for child in self.path.iterdir():
                if child.is_dir():
                    shutil.rmtree(child)
                elif child.name != RECORD_NAME:
                    child.unlink()
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ArtifactError(f"{self.path}: cannot write: {error.strerror}") from error
        write_json(started, {"key": key})

    def finish(self, key: str, recipe: dict, inputs: dict[str, str], outputs: Iterable[str], **facts: Any) -> None:
        """Write the manifest, the last file of the stage. `outputs` are paths below the folder; they alone count
        as this stage's results for the stages after it."""
        digests = {name: file_digest(self.path / name) for name in sorted(outputs)}
        manifest = {
            "stage": self.stage,
            "key": key,
            "recipe": recipe,
            "inputs": inputs,
            "outputs": digests,
            "seconds": round(time.monotonic() - self._began, 3),
            "versions": {"project": __version__, "python": platform.python_version(), **_versions()},
            **facts,
        }
        write_json(self.manifest_path, manifest)
        (self.path / "started.json").unlink(missing_ok=True)


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found
