"""Stage folders, whose manifest is written last.

A folder `runs/<recipe>/<stage>/` counts as finished only when its `manifest.json` is there. The manifest's key is a
digest of the stage's own settings and of the content of what it read, so a stage is run again exactly when one of
these has changed. What it had before stays beside it until it has finished anew: the finished result as
`.<stage>.earlier`, the state of the newest interrupted run as `.<stage>.interrupted`. Neither replaces the other. A
call that is refused gives back what it has put aside, and the old settings take back what is theirs.
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
HALF_DONE = ("bad_step.json", "checkpoints/step-*", "folds/*/facts.json", ".*.shards/*.parquet")
"""What an unfinished stage has that is worth keeping: a batch to look at, or a state from which a run resumes."""
PACKAGES = ("torch", "transformers", "deepspeed", "fairscale", "datasets", "scikit-learn", "pandas")


class StageFolder:
    """One stage's folder under a run, and the rules by which it counts as finished."""

    def __init__(self, run_dir: str | Path, stage: str):
        self.run_dir = Path(run_dir)
        self.stage = stage
        self.path = self.run_dir / stage
        self._began = time.monotonic()
        self._lock: IO | None = None
        self._put_aside: Path | None = None  # where begin() has put what was here before this call

    @property
    def manifest_path(self) -> Path:
        return self.path / "manifest.json"

    def manifest(self) -> dict | None:
        """The manifest, or None where the stage has not finished."""
        try:
            manifest = strict_json.loads(self.manifest_path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (ValueError, OSError) as error:
            raise self._unreadable(error) from error
        if not isinstance(manifest, dict) or not isinstance(manifest.get("outputs"), dict) or "key" not in manifest:
            raise self._unreadable("it names neither key nor outputs")
        return manifest

    def _unreadable(self, why: object) -> ArtifactError:
        return ArtifactError(f"{self.manifest_path}: unreadable ({why}); delete it and run the stage again")

    def outputs(self) -> dict[str, str]:
        """Content digests of what the finished stage wrote. Raises ArtifactError where it has not finished, or where a
        file is missing or of another size; the contents are not read (see `require_intact`)."""
        manifest = self.manifest()
        if manifest is None:
            raise ArtifactError(f"{self.path} is missing or unfinished: run bash run.sh {self.stage}")
        if problem := _problem_of(self.path, manifest):
            raise ArtifactError(f"{problem}: run bash run.sh --force {self.stage}")
        return manifest["outputs"]

    def require_intact(self) -> None:
        """Read all that the finished stage wrote; raises ArtifactError where a file is not as the stage wrote it."""
        for name, digest in self.outputs().items():
            if file_digest(self.path / name) != digest:
                raise ArtifactError(
                    f"{self.path / name} has changed since {self.stage} wrote it: run bash run.sh --force {self.stage}"
                )

    def is_finished(self, key: str) -> bool:
        manifest = self.manifest()
        return manifest is not None and manifest["key"] == key and not _problem_of(self.path, manifest)

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

    def restore_previous(self, key: str, resume_key: str) -> None:
        """Take back what was put aside for other settings, where it is of these: finished, or half-done and this
        folder's own is not."""
        self.lock()
        self._settle()
        if _finished_key(self.path) == key:
            return
        has_own = _key_in(self._started) == resume_key and _is_worth_keeping(self.path)
        finished = [place for place in self._places if _finished_key(place) == key]
        half_done = [place for place in self._places if _key_in(place / "started.json") == resume_key]
        for place in [*finished, *([] if has_own else half_done)][:1]:
            log.info("%s: taking back what %s had of these settings", self.stage, place)
            self._exchange(place)

    def begin(self, key: str, fresh: bool = False) -> None:
        """Take the manifest away and make the folder ready. What an interrupted run of the same key left is kept
        for resuming; anything else is put aside until this run has finished, and that is logged."""
        self.lock()
        try:
            self._settle()
            if self.path.exists() and (fresh or self.manifest_path.exists() or _key_in(self._started) != key):
                why = "asked to start afresh" if fresh else "an earlier run had other settings or inputs"
                self._put_aside = self._place_for(self.path)
                what = "putting aside, until this run has finished," if self._put_aside else "removing"
                log.info("%s: %s %s (%s)", self.stage, what, self.path, why)
                self._exchange(None)
            self.path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise ArtifactError(f"{self.path}: cannot write: {error.strerror}") from error
        write_json(self._started, {"key": key})

    def restore_if_refused(self) -> None:
        """After a refusal: where nothing was done that is worth keeping, what was put aside returns."""
        if _is_worth_keeping(self.path):
            return
        for place in filter(None, (self._put_aside, *self._places)):
            if place.exists():
                log.info("%s: %s is as it was before this call", self.stage, self.path)
                self._exchange(place)
                return

    @property
    def _started(self) -> Path:
        return self.path / "started.json"

    @property
    def _earlier(self) -> Path:
        return self.run_dir / f".{self.stage}.earlier"

    @property
    def _interrupted(self) -> Path:
        return self.run_dir / f".{self.stage}.interrupted"

    @property
    def _places(self) -> tuple[Path, Path]:
        """Where things are put aside."""
        return self._earlier, self._interrupted

    @property
    def _outgoing(self) -> Path:
        return self.run_dir / f".{self.stage}.outgoing"

    def _place_for(self, folder: Path) -> Path | None:
        """Where a folder is to be put aside; None where nothing in it is worth keeping. A result of which a file is
        lost never takes the place of a whole one."""
        if not _is_worth_keeping(folder):
            return None
        is_result = (folder / "manifest.json").exists()
        is_kept_safe = _finished_key(self._earlier) is None or _finished_key(folder) is not None
        return self._earlier if is_result and is_kept_safe else self._interrupted

    def _exchange(self, successor: Path | None) -> None:
        """Another folder, or none, takes this one's place; what is here is put aside where it is worth keeping."""
        self._settle()
        if self.path.exists():
            self.path.rename(self._outgoing)
        if successor is None:
            self.path.mkdir()
        else:
            successor.rename(self.path)
        self._settle()

    def _settle(self) -> None:
        """End an exchange, also one that a kill has cut short: put aside what it has taken out. The record of all runs
        stays here."""
        if self._outgoing.exists() and not self.path.exists():
            self._outgoing.rename(self.path)
        elif self._outgoing.exists():
            if (self._outgoing / RECORD_NAME).is_file():
                shutil.copy2(self._outgoing / RECORD_NAME, self.path / RECORD_NAME)
            if place := self._place_for(self._outgoing):
                shutil.rmtree(place, ignore_errors=True)
                self._outgoing.rename(place)
            shutil.rmtree(self._outgoing, ignore_errors=True)
        if _finished_key(self.path) and _finished_key(self._earlier):  # killed at the end of finish()
            shutil.rmtree(self._earlier, ignore_errors=True)

    def renew(self, name: str) -> None:
        """Note in the manifest that one of the outputs was written anew, on request; nothing where it names none."""
        manifest = self.manifest()
        if manifest is not None and name in manifest["outputs"]:
            manifest["outputs"][name] = file_digest(self.path / name)
            manifest.setdefault("sizes", {})[name] = (self.path / name).stat().st_size
            write_json(self.manifest_path, manifest)

    def finish(self, key: str, recipe: dict, inputs: dict[str, str], outputs: Iterable[str], **facts: Any) -> None:
        """Write the manifest, the last file of the stage. `outputs` are paths below the folder; they alone count
        as this stage's results for the stages after it."""
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
        for place in self._places:
            shutil.rmtree(place, ignore_errors=True)


def _versions() -> dict[str, str]:
    found = {}
    for package in PACKAGES:
        with contextlib.suppress(metadata.PackageNotFoundError):
            found[package] = metadata.version(package)
    return found


def _key_in(path: Path) -> str | None:
    """The key that a manifest or started.json names; None where there is none."""
    return (_read(path) or {}).get("key")


def _read(path: Path) -> dict | None:
    """A JSON object; None where there is none that can be read."""
    try:
        value = strict_json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None


def _problem_of(folder: Path, manifest: dict) -> str:
    """Which file of a finished stage is missing or has another size, in words; empty where all are there."""
    sizes = manifest.get("sizes", {})
    for name in manifest["outputs"]:
        path = folder / name
        if not path.is_file():
            return f"{path} is missing"
        if (size := path.stat().st_size) != sizes.get(name, size):
            return f"{path} has {size:,} bytes where {sizes[name]:,} were written"
    return ""


def _finished_key(folder: Path) -> str | None:
    """The key of a result that is whole; None where the folder holds none."""
    manifest = _read(folder / "manifest.json")
    if manifest is None or not isinstance(manifest.get("outputs"), dict) or _problem_of(folder, manifest):
        return None
    return manifest.get("key")


def _is_worth_keeping(folder: Path) -> bool:
    """Whether there are results, a state to resume from, or a batch to look at."""
    return any(next(folder.rglob(pattern), None) for pattern in ("manifest.json", *HALF_DONE))
