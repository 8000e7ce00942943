"""Stage folders, whose manifest is written last.

A folder `runs/<recipe>/<stage>/` counts as finished only when its `manifest.json` is there. The manifest's key is a
digest of the stage's own settings and of the content of what it read, so a stage is run again exactly when one of
these has changed. What it had before stays beside it, as `.<stage>.earlier`, until it has finished anew: a call that is
refused gives it back, and so do the old settings.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import platform
import shutil
import time
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import IO, Any

from final_project import __version__, strict_json
from final_project.artifacts import file_digest, write_json
from final_project.errors import ArtifactError

log = logging.getLogger(__name__)

RECORD_NAME = "result_record.csv"  # one row a run: the one file of a stage that outlives its reruns
PACKAGES = ("torch", "transformers", "deepspeed", "fairscale", "datasets", "scikit-learn", "pandas")


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
            return strict_json.loads(self.manifest_path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (ValueError, OSError) as error:
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

    def recall(self, key: str, resume_key: str) -> None:
        """Take back what was put aside for other settings, where it is of these: finished, or half-done and this
        folder's own is not."""
        is_finished = _key_in(self._earlier / "manifest.json") == key
        is_half_done = _key_in(self._earlier / "started.json") == resume_key != _key_in(self._started)
        if is_finished or is_half_done:
            log.info("%s: taking back what %s had of these settings", self.stage, self._earlier)
            self._exchange(self._earlier)

    def begin(self, key: str, fresh: bool = False) -> None:
        """Take the manifest away and make the folder ready. What an interrupted run of the same key left is kept
        for resuming; anything else is put aside until this run has finished, and said."""
        self.lock()
        if self.path.exists() and (fresh or _key_in(self._started) != key):
            why = "asked to start afresh" if fresh else "an earlier run had other settings or inputs"
            what = "putting aside, until this run has finished," if self._is_worth_keeping else "removing"
            log.info("%s: %s %s (%s)", self.stage, what, self.path, why)
            self._exchange(None)
        self.manifest_path.unlink(missing_ok=True)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ArtifactError(f"{self.path}: cannot write: {error.strerror}") from error
        write_json(self._started, {"key": key})

    def give_back(self) -> None:
        """After a refusal: where nothing was done that is worth keeping, what was put aside returns."""
        if self._earlier.exists() and not self._is_worth_keeping:
            log.info("%s: %s is as it was before this call", self.stage, self.path)
            self._exchange(self._earlier)

    @property
    def _started(self) -> Path:
        return self.path / "started.json"

    @property
    def _earlier(self) -> Path:
        return self.run_dir / f".{self.stage}.earlier"

    @property
    def _is_worth_keeping(self) -> bool:
        """Results, a state to go on from, or a batch to look at."""
        patterns = ("manifest.json", "bad_step.json", "checkpoints/step-*")
        return any(next(self.path.rglob(pattern), None) for pattern in patterns)

    def _exchange(self, successor: Path | None) -> None:
        """Another folder, or none, takes this one's place; what is here is put aside where it is worth keeping. The
        record of all runs stays here."""
        outgoing = self.run_dir / f".{self.stage}.outgoing"
        shutil.rmtree(outgoing, ignore_errors=True)
        is_kept = self._is_worth_keeping
        if self.path.exists():
            self.path.rename(outgoing)
        if successor is None:
            self.path.mkdir()
        else:
            successor.rename(self.path)
        if (outgoing / RECORD_NAME).is_file():
            shutil.copy2(outgoing / RECORD_NAME, self.path / RECORD_NAME)
        if is_kept:
            shutil.rmtree(self._earlier, ignore_errors=True)
            outgoing.rename(self._earlier)
        shutil.rmtree(outgoing, ignore_errors=True)

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
        self._started.unlink(missing_ok=True)
        shutil.rmtree(self._earlier, ignore_errors=True)


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def _key_in(path: Path) -> str | None:
    """The key that a manifest or started.json names; None where there is none."""
    try:
        return strict_json.loads(path.read_text(encoding="utf-8")).get("key")
    except (FileNotFoundError, ValueError):
        return None
