"""Stage folders: one folder per stage of a run, with the manifest written last.

A folder `runs/<recipe>/<stage>/` is finished only if its `manifest.json` is there. The manifest's key is a digest of
the stage's settings and of the content of what it read, so a stage runs again exactly if one of these has changed. Its
previous results are kept (previous_runs.py) until it has finished again, and are restored if the settings are switched
back or the new run is refused.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import platform
import time
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import IO, Any

from final_project import __version__, strict_json
from final_project.artifacts import file_digest, write_json
from final_project.errors import ArtifactError
from final_project.run.previous_runs import PreviousRuns, find_damage, is_worth_keeping, started_key

log = logging.getLogger(__name__)

PACKAGES = ("torch", "transformers", "deepspeed", "fairscale", "datasets", "scikit-learn", "pandas")


class StageFolder:
    """One stage's folder in a run, and the rules by which it is finished."""

    def __init__(self, run_dir: str | Path, stage: str):
        self.run_dir = Path(run_dir)
        self.stage = stage
        self.path = self.run_dir / stage
        self._began = time.monotonic()
        self._lock: IO | None = None
        self._previous = PreviousRuns(self.path)
        self._set_aside: Path | None = None  # where begin() has put the previous content

    @property
    def manifest_path(self) -> Path:
        return self.path / "manifest.json"

    def manifest(self) -> dict | None:
        """The manifest, or None if the stage has not finished."""
        try:
            manifest = strict_json.loads(self.manifest_path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (ValueError, OSError) as error:
            raise self._unreadable(error) from error
        if not isinstance(manifest, dict) or not isinstance(manifest.get("outputs"), dict) or "key" not in manifest:
            raise self._unreadable("key or outputs are missing")
        return manifest

    def _unreadable(self, why: object) -> ArtifactError:
        return ArtifactError(f"{self.manifest_path}: unreadable ({why}); delete it and run the stage again")

    def outputs(self) -> dict[str, str]:
        """Content digests of what the finished stage wrote. Raises ArtifactError if it has not finished, or if a
        file is missing or has another size; contents are not read (see `require_intact`)."""
        manifest = self.manifest()
        if manifest is None:
            raise ArtifactError(f"{self.path} is missing or unfinished: run bash run.sh {self.stage}")
        if problem := find_damage(self.path, manifest):
            raise ArtifactError(f"{problem}: run bash run.sh --force {self.stage}")
        return manifest["outputs"]

    def require_intact(self) -> None:
        """Read all outputs of the finished stage; raises ArtifactError if one differs from what the stage wrote."""
        for name, digest in self.outputs().items():
            if file_digest(self.path / name) != digest:
                raise ArtifactError(
                    f"{self.path / name} has changed since {self.stage} wrote it: run bash run.sh --force {self.stage}"
                )

    def is_finished(self, key: str) -> bool:
        manifest = self.manifest()
        return manifest is not None and manifest["key"] == key and not find_damage(self.path, manifest)

    def lock(self) -> None:
        """Wait until no other process works on this folder, and keep others out until this process ends.

        The lock ends with the process. A run whose shell was killed may still be training.
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
            log.info("%s: another process is working on %s; waiting for it to end", self.stage, self.path)
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            self._began = time.monotonic()  # waiting does not count as run time

    def restore_previous(self, key: str, resume_key: str) -> None:
        """Restore the folder set aside by an earlier settings change if it matches the current settings (finished, or
        resumable when this folder is not)."""
        self.lock()
        self._previous.settle()
        if kept := self._previous.matching(key, resume_key):
            log.info("%s: restoring %s, which has these settings", self.stage, kept)
            self._previous.exchange(kept)

    def begin(self, key: str, fresh: bool = False) -> None:
        """Make the folder ready for a run. An interrupted run of the same key stays, to be resumed; anything else is
        set aside until this run has finished, and logged. key: the resume key. fresh: resume nothing."""
        self.lock()
        try:
            self._previous.settle()
            if self.path.exists() and (fresh or self.manifest_path.exists() or started_key(self.path) != key):
                why = "--force was given" if fresh else "an earlier run had other settings or inputs"
                self._set_aside = self._previous.slot_for(self.path)
                what = "setting aside, until this run has finished," if self._set_aside else "removing"
                log.info("%s: %s %s (%s)", self.stage, what, self.path, why)
                self._previous.exchange(None)
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ArtifactError(f"{self.path}: cannot write: {error.strerror}") from error
        write_json(self._started, {"key": key})

    def restore_if_refused(self) -> None:
        """After a failed run that left nothing worth keeping: restore what begin() set aside."""
        if is_worth_keeping(self.path):
            return
        for kept in filter(None, (self._set_aside, *self._previous)):
            if kept.exists():
                log.info("%s: restored %s to its state before this call", self.stage, self.path)
                self._previous.exchange(kept)
                return

    @property
    def _started(self) -> Path:
        return self.path / "started.json"

    def renew(self, name: str) -> None:
        """Update digest and size of one output in the manifest after it was rewritten; no-op for other files."""
        manifest = self.manifest()
        if manifest is not None and name in manifest["outputs"]:
            manifest["outputs"][name] = file_digest(self.path / name)
            manifest.setdefault("sizes", {})[name] = (self.path / name).stat().st_size
            write_json(self.manifest_path, manifest)

    def finish(self, key: str, recipe: dict, inputs: dict[str, str], outputs: Iterable[str], **facts: Any) -> None:
        """Write the manifest, the last file of the stage, and remove what was set aside. outputs: paths below the
        folder; only these are the stage's results for later stages."""
        names = sorted(outputs)
        digests = {name: file_digest(self.path / name) for name in names}
        manifest = {
            "stage": self.stage,
            "key": key,
            "recipe": recipe,
            "inputs": inputs,
            "outputs": digests,
            "sizes": {name: (self.path / name).stat().st_size for name in names},
            "seconds": round(time.monotonic() - self._began, 3),
            "versions": {"project": __version__, "python": platform.python_version(), **_versions()},
            **facts,
        }
        write_json(self.manifest_path, manifest)
        self._started.unlink(missing_ok=True)
        self._previous.remove()


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found
