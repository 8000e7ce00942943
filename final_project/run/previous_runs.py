"""What a stage folder held before, kept next to it until the stage has finished again.

    <stage>                 the folder in use
    .<stage>.earlier        the last finished result, when a run with other settings has taken its place
    .<stage>.interrupted    the newest interrupted run, from which its settings can resume
    .<stage>.outgoing       for the moment of an exchange only
A finished result and an interrupted run never replace each other. Every step is one rename, and settle() completes an
exchange that a kill has cut short.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from final_project import strict_json

RECORD_NAME = "result_record.csv"  # one row per run: the only file of a stage that survives its reruns
RESUMABLE = ("bad_step.json", "checkpoints/step-*", "folds/*/facts.json", ".*.shards/*.parquet")
"""Files of an unfinished stage that are worth keeping: rows of a bad step, or a state from which a run resumes."""


class PreviousRuns:
    def __init__(self, folder: Path):
        """folder: the stage's folder."""
        self.folder = folder
        self.earlier = folder.with_name(f".{folder.name}.earlier")
        self.interrupted = folder.with_name(f".{folder.name}.interrupted")
        self._outgoing = folder.with_name(f".{folder.name}.outgoing")

    def __iter__(self) -> Iterator[Path]:
        return iter((self.earlier, self.interrupted))

    def matching(self, key: str, resume_key: str) -> Path | None:
        """The kept folder of these settings, if it should be restored: a finished one, else a resumable one unless the
        stage's folder can be resumed itself."""
        if finished_key(self.folder) == key:
            return None
        candidates = [kept for kept in self if finished_key(kept) == key]
        if not (started_key(self.folder) == resume_key and is_worth_keeping(self.folder)):
            candidates += [kept for kept in self if started_key(kept) == resume_key]
        return next(iter(candidates), None)

    def slot_for(self, folder: Path) -> Path | None:
        """Where a folder is to be kept; None if nothing in it is worth keeping. A result with a missing file never
        replaces a whole one."""
        if not is_worth_keeping(folder):
            return None
        is_result = (folder / "manifest.json").exists()
        may_replace = finished_key(self.earlier) is None or finished_key(folder) is not None
        return self.earlier if is_result and may_replace else self.interrupted

    def exchange(self, successor: Path | None) -> None:
        """Put a kept folder, or None for an empty one, in the stage folder's place; keep the old content if it is worth
        keeping."""
        self.settle()
        if self.folder.exists():
            self.folder.rename(self._outgoing)
        if successor is None:
            self.folder.mkdir()
        else:
            successor.rename(self.folder)
        self.settle()

    def settle(self) -> None:
        """Complete an exchange, also one that a kill has cut short. The record of all runs stays in the folder."""
        if self._outgoing.exists() and not self.folder.exists():
            self._outgoing.rename(self.folder)
        elif self._outgoing.exists():
            if (self._outgoing / RECORD_NAME).is_file():
                shutil.copy2(self._outgoing / RECORD_NAME, self.folder / RECORD_NAME)
            if slot := self.slot_for(self._outgoing):
                shutil.rmtree(slot, ignore_errors=True)
                self._outgoing.rename(slot)
            shutil.rmtree(self._outgoing, ignore_errors=True)
        if finished_key(self.folder) and finished_key(self.earlier):  # killed at the end of StageFolder.finish()
            shutil.rmtree(self.earlier, ignore_errors=True)

    def remove(self) -> None:
        for kept in self:
            shutil.rmtree(kept, ignore_errors=True)


def started_key(folder: Path) -> str | None:
    """The resume key of an unfinished run; None if there is none."""
    return (_read_object(folder / "started.json") or {}).get("key")


def finished_key(folder: Path) -> str | None:
    """The key of a whole result; None if the folder holds none."""
    manifest = _read_object(folder / "manifest.json")
    if manifest is None or not isinstance(manifest.get("outputs"), dict) or find_damage(folder, manifest):
        return None
    return manifest.get("key")


def find_damage(folder: Path, manifest: dict[str, Any]) -> str:
    """A sentence about the first output that is missing or has another size; empty if all are whole."""
    sizes = manifest.get("sizes", {})
    for name in manifest["outputs"]:
        path = folder / name
        if not path.is_file():
            return f"{path} is missing"
        if (size := path.stat().st_size) != sizes.get(name, size):
            return f"{path} has {size:,} bytes where {sizes[name]:,} were written"
    return ""


def is_worth_keeping(folder: Path) -> bool:
    """Whether a folder has results, a state to resume from, or rows of a bad step to inspect."""
    return any(next(folder.rglob(pattern), None) for pattern in ("manifest.json", *RESUMABLE))


def _read_object(path: Path) -> dict[str, Any] | None:
    """A JSON object; None if the file cannot be read as one."""
    try:
        value = strict_json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return value if isinstance(value, dict) else None
