"""Every order of up to four calls with three settings, against a slow reference of what must not be lost."""

from __future__ import annotations

import os
import shutil
from itertools import product
from pathlib import Path
from typing import NamedTuple

import pytest

from final_project.run.stage_folder import StageFolder

pytestmark = pytest.mark.stage

SETTINGS = ("A", "B", "C")
ENDS = ("finishes", "is killed", "is killed early", "is refused")
CALLS = tuple(product(SETTINGS, (False, True), ENDS))  # setting, --force, how the call ends
DONE, STATE = "model", "checkpoints/step-1/state"


class Died(BaseException):
    """A kill -9: nothing of the call runs after it."""


class Kept(NamedTuple):
    """The reference. finished, half_done: (settings, number) of the newest run of that kind."""

    finished: tuple[str, int] | None = None
    half_done: tuple[str, int] | None = None


def read(path: Path) -> int | None:
    return int(path.read_text()) if path.is_file() else None


def call(run_dir: Path, setting: str, force: bool, end: str, number: int) -> int | str | None:
    """What a stage does with its folder; returns "skipped", the run that was resumed, or None for a fresh start."""
    folder = StageFolder(run_dir, "fit")
    try:
        if not force:
            folder.restore_previous(setting, setting)
            if folder.is_finished(setting):
                return "skipped"
        folder.begin(setting, fresh=force)
        resumed = read(folder.path / STATE)
        (folder.path / "tokens").write_text("")
        if end in ("is killed", "finishes"):
            (folder.path / STATE).parent.mkdir(parents=True, exist_ok=True)
            (folder.path / STATE).write_text(str(number if resumed is None else resumed))
        if end == "finishes":
            (folder.path / DONE).write_text(str(number))
            folder.finish(setting, {}, {}, [DONE])
            shutil.rmtree(folder.path / "checkpoints")
        if end == "is refused":
            folder.restore_if_refused()
        return resumed
    finally:
        if folder._lock:
            folder._lock.close()


def places(run_dir: Path, name: str) -> dict[int, Path]:
    """The runs of which a file of that name is anywhere below the run's folder."""
    return {int(path.read_text()): path for path in run_dir.rglob(name)}


def in_place(run_dir: Path) -> tuple[int | None, int | None]:
    return read(run_dir / "fit" / DONE), read(run_dir / "fit" / STATE)


def checked(run_dir: Path, kept: Kept, setting: str, force: bool, end: str, number: int) -> Kept:
    """Make one call, compare with the reference, and return what must be kept from then on."""
    before, states = in_place(run_dir), places(run_dir, STATE)
    settings_of = {run: (path.parents[2] / "started.json").read_text() for run, path in states.items()}
    result = call(run_dir, setting, force, end, number)
    if not force and kept.finished and kept.finished[0] == setting:
        assert result == "skipped" and in_place(run_dir)[0] == kept.finished[1], "the result is back in its place"
        return kept
    assert result != "skipped"
    if force:
        assert result is None, "a forced run starts over"
    elif kept.half_done and kept.half_done[0] == setting:
        assert result == kept.half_done[1], "the newest interrupted run is resumed"
    elif result is not None:
        assert f'"{setting}"' in settings_of[result], "an older one is resumed with its own settings only"
    if end == "finishes":
        return Kept((setting, number), None)
    if result is not None or end == "is killed":  # however a resumed run ends, it is the newest that was interrupted
        return kept._replace(half_done=(setting, number if result is None else result))
    if end == "is refused" and result is None and before != (None, None):
        assert in_place(run_dir) == before, "a refused call leaves everything as it was"
    return kept


def holds(run_dir: Path, kept: Kept) -> None:
    if kept.finished:
        place = places(run_dir, DONE)[kept.finished[1]].parent
        assert StageFolder(place.parent, place.name).is_finished(kept.finished[0]), "whole, with its manifest"
    if kept.half_done:
        assert kept.half_done[1] in places(run_dir, STATE)
    assert len(list(run_dir.glob("*fit*"))) <= 4, "the folder, its lock, and two places aside"


def look(run_dir: Path, kept: Kept) -> str:
    """All that decides what later calls do, with runs numbered by age."""
    numbers = sorted({*places(run_dir, DONE), *places(run_dir, STATE)})
    told = []
    for path in sorted(path for path in run_dir.rglob("*") if path.is_file()):
        content = path.read_text()
        if path.name in (DONE, "state"):
            content = numbers.index(int(content))
        elif path.name == "manifest.json":
            content = StageFolder(path.parent.parent, path.parent.name).manifest()["key"]
        told.append((str(path.relative_to(run_dir)), content))
    return repr((told, [(run[0], numbers.index(run[1])) if run else None for run in kept]))


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(os, "fsync", lambda _descriptor: None)


def every_order(tmp_path: Path, most_calls: int) -> int:
    """All sequences of calls; those that have led to the same state go on as one. Returns the number of calls made."""
    (tmp_path / "0").mkdir()
    states, seen, n_calls = [(tmp_path / "0", Kept())], set(), 0
    for _ in range(most_calls):
        reached = []
        for (place, kept), wanted in product(states, CALLS):
            n_calls += 1
            target = tmp_path / str(n_calls)
            shutil.copytree(place, target)
            after = checked(target, kept, *wanted, number=n_calls)
            holds(target, after)
            if (told := look(target, after)) in seen:
                shutil.rmtree(target)
            else:
                seen.add(told)
                reached.append((target, after))
        states = reached
    return n_calls


def test_no_order_of_two_calls_loses_what_must_be_kept(tmp_path, quick):
    assert every_order(tmp_path, 2) > 24


@pytest.mark.thorough
def test_no_order_of_four_calls_loses_what_must_be_kept(tmp_path, quick):
    every_order(tmp_path, 4)


def finished_then_interrupted(run_dir: Path) -> Kept:
    kept = checked(run_dir, Kept(), "A", False, "finishes", 1)
    return checked(run_dir, kept, "B", False, "is killed", 2)


def test_a_finished_result_outlives_an_interrupted_run_and_a_third_one(tmp_path, quick):
    kept = finished_then_interrupted(tmp_path)
    kept = checked(tmp_path, kept, "C", False, "is killed", 3)
    holds(tmp_path, kept)
    assert call(tmp_path, "A", False, "finishes", 4) == "skipped" and in_place(tmp_path)[0] == 1
    assert call(tmp_path, "C", False, "is killed", 5) == 3, "and the newest interrupted run resumes"


def test_a_forced_run_that_is_killed_leaves_the_result_and_the_interrupted_run(tmp_path, quick):
    kept = finished_then_interrupted(tmp_path)
    call(tmp_path, "B", True, "is killed early", 3)
    holds(tmp_path, kept)
    assert call(tmp_path, "B", False, "is killed", 4) == 2
    assert call(tmp_path, "A", False, "finishes", 5) == "skipped"


@pytest.mark.parametrize("wanted", [("C", False, "finishes"), ("A", False, "finishes"), ("B", True, "is refused")])
def test_a_kill_between_any_two_steps_of_an_exchange_costs_nothing(wanted, tmp_path, quick, monkeypatch):
    for fatal in range(1, 12):
        run_dir = tmp_path / str(fatal)
        run_dir.mkdir()
        kept, calls = finished_then_interrupted(run_dir), []

        def counted(action, fatal=fatal, calls=calls):
            def act(*given, **named):
                calls.append(action)
                if len(calls) == fatal:
                    raise Died
                return action(*given, **named)

            return act

        with monkeypatch.context() as patch:
            patch.setattr(Path, "rename", counted(Path.rename))
            patch.setattr(shutil, "rmtree", counted(shutil.rmtree))
            patch.setattr(StageFolder, "finish", counted(StageFolder.finish))
            try:
                call(run_dir, *wanted, number=3)
            except Died:
                if StageFolder(run_dir, "fit").is_finished("C"):
                    continue  # killed after its end
                assert call(run_dir, "A", False, "finishes", 4) == "skipped", f"killed at step {fatal}"
                assert in_place(run_dir)[0] == kept.finished[1]
                assert wanted[2] == "finishes" or call(run_dir, "B", False, "is killed", 5) == 2


def test_folds_that_are_done_and_shards_that_are_explained_are_worth_keeping(tmp_path):
    for number, name in enumerate(("folds/0/facts.json", "submit/.sim_rationale.txt.shards/000000.parquet")):
        folder = StageFolder(tmp_path / str(number), "fit")
        folder.begin("A")
        (folder.path / name).parent.mkdir(parents=True)
        (folder.path / name).write_text("done")
        folder.begin("B")
        folder.restore_previous("A", "A")
        assert (folder.path / name).read_text() == "done"
