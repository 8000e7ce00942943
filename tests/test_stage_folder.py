"""What a stage had is lost neither to a refused call nor to other settings: it waits until the new run has finished."""

from __future__ import annotations

import pytest
from conftest import TINY, call, stage
from test_training_resume import EXTRA, LONGER, kill_at, last_step, weights_digest

from final_project.run.stage_folder import RECORD_NAME, StageFolder


@pytest.fixture
def folder(tmp_path):
    """A stage that has finished under the key `old`."""
    folder = StageFolder(tmp_path, "posttrain")
    folder.begin("old")
    (folder.path / "model").write_text("old weights")
    (folder.path / RECORD_NAME).write_text("one run\n")
    folder.finish("old", {}, {}, ["model"])
    return folder


def make_checkpoint(folder: StageFolder) -> None:
    (folder.path / "checkpoints" / "step-1").mkdir(parents=True)


def test_a_refused_run_gives_back_what_it_found(folder):
    folder.begin("new")
    (folder.path / "tokens").write_text("")
    assert not folder.is_finished("old") and (folder.path / RECORD_NAME).read_text() == "one run\n"
    folder.give_back()
    assert folder.is_finished("old") and (folder.path / "model").read_text() == "old weights"


def test_a_run_that_got_somewhere_stays_and_the_old_results_return_with_their_settings(folder):
    folder.begin("new")
    make_checkpoint(folder)
    folder.give_back()
    assert (folder.path / "checkpoints").is_dir()
    folder.recall("old", "old")
    assert folder.is_finished("old")
    folder.recall("new", "new")
    folder.begin("new")
    assert (folder.path / "checkpoints" / "step-1").is_dir(), "half-done work returns as well"


def test_one_set_of_results_is_left_when_the_new_run_has_finished(folder):
    folder.begin("new")
    folder.finish("new", {}, {}, [])
    assert folder.is_finished("new")
    assert sorted(path.name for path in folder.run_dir.iterdir()) == [".posttrain.lock", "posttrain"]


def test_two_refused_runs_in_a_row_and_a_killed_one_cost_nothing(folder):
    folder.begin("new")  # killed here: nobody gives anything back
    folder.begin("newer")
    folder.give_back()
    assert folder.is_finished("old")


def test_results_of_other_settings_are_not_taken_for_ones_own(folder):
    folder.begin("new")
    make_checkpoint(folder)
    folder.recall("newer", "newer")
    assert (folder.path / "checkpoints").is_dir() and not folder.is_finished("old")


@pytest.mark.parametrize(
    ("name", "setting", "message"),
    [
        ("posttrain", "posttrain.precision=fp16", "fp16 needs a CUDA device"),
        ("similarity_v0", "similarity_v0.pool=last_four", "four layers"),
        ("similarity_v0", "similarity_v0.folds=5000", "5000"),
    ],
)
def test_a_refused_setting_costs_a_finished_stage_nothing(name, setting, message, posttrained, copy_of):
    runs = copy_of(posttrained)
    if name == "similarity_v0":
        stage(name, runs)
    before = weights_digest(runs, name)
    refused = call(name, "--recipe", "demo", "--", *TINY, f"runs_dir={runs}", setting)
    assert refused.returncode == 2 and "Traceback" not in refused.stderr and message in refused.stderr, refused.stderr
    assert weights_digest(runs, name) == before
    assert "up to date, skipped" in stage(name, runs).stderr


def test_half_done_work_survives_a_run_with_other_settings(posttrained, copy_of):
    name, change = "similarity_v0", EXTRA["similarity_v0"]
    runs = copy_of(posttrained)
    kill_at(runs, name, 5)
    kill_at(runs, name, 12, *change)
    resumed = stage(name, runs, *LONGER)
    assert "taking back" in resumed.stderr and "resuming after step" in resumed.stderr
    assert last_step(runs, name) == 28
