"""What a resume relies on is verified when it resumes: nothing damaged is taken up, nothing whole is lost."""

from __future__ import annotations

import json
import signal
import struct
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from test_training_checkpoint import EVERY_STEP, Scored, kept, run
from test_training_loop import engine_in_evaluation_mode
from tiny_models import tiny_tokenizer

from final_project.artifacts import damage_of, end_replacement, folder_atomic, seal
from final_project.errors import ArtifactError
from final_project.run.progress import read_metrics
from final_project.tokens.token_table import is_token_table_whole, open_token_table, write_token_table
from final_project.training.engines.full_state import WEIGHTS_FILE
from similarity_v0.best_weights import BestWeights

pytestmark = pytest.mark.stage


def interrupted_at(step: int, folder: Path, **options) -> None:
    task = Scored(engine_in_evaluation_mode(), at={step: lambda: signal.raise_signal(signal.SIGTERM)}, **options)
    with pytest.raises(SystemExit):
        run(task, folder, end_with_best=bool(options))


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)


def dangle(path: Path) -> None:
    path.unlink()
    path.symlink_to("nowhere")


def reshape(path: Path) -> None:
    """One number of each weight: a copy into the model would repeat it without a word."""
    save_file({name: value.flatten()[:1].clone() for name, value in load_file(path).items()}, path)


FILES = ("model.safetensors", "exp_avg.safetensors", "exp_avg_sq.safetensors", "engine.json", "state.json",
         "extra.safetensors", "contents.json")  # fmt: skip


@pytest.mark.parametrize("spoil", [cut, empty, flip, dangle])
@pytest.mark.parametrize("name", FILES)
def test_a_checkpoint_with_any_file_damaged_is_skipped_with_a_warning(name, spoil, tmp_path, caplog):
    interrupted_at(7, tmp_path)
    spoil(tmp_path / "checkpoints" / "step-00000007" / name)
    second = Scored(engine_in_evaluation_mode())
    assert run(second, tmp_path) == 15
    assert second.updates[:7] == [*[None] * 6, (7, 1)], "it resumes after step 6"
    (said,) = [record.getMessage() for record in caplog.records if "cannot be used" in record.getMessage()]
    assert "step-00000007" in said and name in said


def test_moments_of_another_shape_are_refused_even_where_digests_agree(tmp_path):
    interrupted_at(7, tmp_path)
    newest = tmp_path / "checkpoints" / "step-00000007"
    for name in ("exp_avg.safetensors", WEIGHTS_FILE):
        reshape(newest / name)
    (newest / "contents.json").unlink()
    seal(newest)
    second = Scored(engine_in_evaluation_mode())
    run(second, tmp_path)
    assert second.updates[6] == (7, 1)


def test_folders_with_names_that_are_not_ours_are_left_alone(tmp_path):
    interrupted_at(7, tmp_path)
    folder = tmp_path / "checkpoints"
    foreign = ("step-00000008.bak", "step-9", "step-old", "step-0000001x", "notes")
    for name in foreign:
        (folder / name).mkdir()
    second = Scored(engine_in_evaluation_mode())
    assert run(second, tmp_path) == 15
    assert second.updates[7] == (8, 1), "it resumes after step 7"
    assert all((folder / name).is_dir() for name in foreign)


def test_a_link_to_nowhere_in_the_place_of_a_checkpoint_is_named_and_later_replaced(tmp_path, caplog):
    interrupted_at(7, tmp_path)
    (tmp_path / "checkpoints" / "step-00000009").symlink_to("nowhere")
    second = Scored(engine_in_evaluation_mode())
    run(second, tmp_path)
    assert "step-00000009 cannot be used (it is missing)" in caplog.text
    assert not [record for record in caplog.records if "CANNOT WRITE" in record.msg]


def test_a_damaged_newer_checkpoint_does_not_push_out_whole_ones(tmp_path):
    interrupted_at(12, tmp_path)
    for step in (11, 12):
        empty(tmp_path / "checkpoints" / f"step-000000{step}" / "state.json")
    interrupted_at(7, tmp_path / "whole")
    for path in (tmp_path / "whole" / "checkpoints").glob("step-*"):
        if not (target := tmp_path / "checkpoints" / path.name).exists():
            path.rename(target)
    task = Scored(engine_in_evaluation_mode(), at={9: lambda: signal.raise_signal(signal.SIGTERM)})
    with pytest.raises(SystemExit):
        run(task, tmp_path, EVERY_STEP.model_copy(update={"keep_checkpoints": 1}))
    assert 9 in kept(tmp_path), "the newest whole one is kept although two damaged ones have higher numbers"


def test_a_damaged_best_checkpoint_is_found_at_the_resume_and_not_after_training(tmp_path):
    interrupted_at(11, tmp_path, scores={3: 0.5, 9: 0.7})
    cut(tmp_path / "checkpoints" / "step-00000003" / WEIGHTS_FILE)
    second = Scored(engine_in_evaluation_mode(), {3: 0.5, 9: 0.7})
    with pytest.raises(ArtifactError, match=r"step-00000003, the best checkpoint, cannot be read: model\.safetensors"):
        run(second, tmp_path, end_with_best=True)
    assert all(update is None for update in second.updates), "no update was taken"


# --- the best weights of fine-tuning ----------------------------------------------------------------------------------


@pytest.fixture
def best(tmp_path):
    weights = BestWeights(tmp_path / "best")
    weights.write({"w": torch.arange(4.0)}, {"score": 0.7, "step": 12})
    return weights


def test_best_weights_are_those_that_the_checkpoint_names(best):
    assert best.check({"score": 0.7, "step": 12}, 16) == {"score": 0.7, "step": 12}
    assert best.check({"score": None, "step": 0}, 4) == {"score": None, "step": 0}


def test_better_weights_of_an_evaluation_after_the_checkpoint_stay_the_best(best):
    assert best.check({"score": 0.6, "step": 4}, 8) == {"score": 0.7, "step": 12}


@pytest.mark.parametrize("named", [{"score": 0.8, "step": 14}, {"score": 0.6, "step": 4}])
def test_best_weights_of_another_moment_are_refused(named, best):
    with pytest.raises(ArtifactError, match=rf"of step {named['step']} with .*: those of step 12 are there"):
        best.check(named, 16)


@pytest.mark.parametrize("spoil", [cut, empty, flip, dangle])
@pytest.mark.parametrize("name", ["model.safetensors", "best.json", "contents.json"])
def test_damaged_best_weights_are_refused_with_what_is_wrong(name, spoil, best):
    spoil(best.folder / name)
    with pytest.raises(ArtifactError, match="the best weights so far, of step 12 with 0.7000: .*" + name.split(".")[0]):
        best.check({"score": 0.7, "step": 12}, 16)


def test_a_kill_between_the_two_renames_of_a_replacement_costs_nothing(best, tmp_path):
    (tmp_path / "best").rename(tmp_path / ".best.old")
    end_replacement(best.folder)
    assert best.check({"score": 0.7, "step": 12}, 16)["step"] == 12


# --- what else an interrupted run has left ----------------------------------------------------------------------------


@pytest.mark.parametrize("spoil", [cut, empty, flip, dangle])
def test_a_damaged_token_table_is_made_again(spoil, tmp_path, caplog):
    def write():
        write_token_table([("你好吗", "天气不错", 1), ("天", "气", 0)], tiny_tokenizer("wordpiece"), 12, tmp_path / "t")
        return np.array(open_token_table(tmp_path / "t").ids)

    assert not is_token_table_whole(tmp_path / "t")
    before = write()
    assert is_token_table_whole(tmp_path / "t")
    spoil(tmp_path / "t" / "ids.bin")
    assert not is_token_table_whole(tmp_path / "t") and "ids.bin" in caplog.text
    assert np.array_equal(write(), before) and is_token_table_whole(tmp_path / "t")


def test_a_folder_takes_the_place_of_a_link_to_nowhere(tmp_path):
    (tmp_path / "f").symlink_to("nowhere")
    with folder_atomic(tmp_path / "f") as partial:
        (partial / "a").write_text("1")
    assert not (tmp_path / "f").is_symlink() and [path.name for path in tmp_path.iterdir()] == ["f"]


def test_contents_that_are_no_table_of_files_are_damage(tmp_path):
    (tmp_path / "a").write_bytes(struct.pack("d", 1.0))
    seal(tmp_path)
    assert damage_of(tmp_path) == ""
    for content in ("[]", "{", '{"a": 1}', '{"a": ["x"]}', ""):
        (tmp_path / "contents.json").write_text(content)
        assert "contents.json cannot be read" in damage_of(tmp_path)


def test_lines_of_figures_that_are_none_cost_no_others(tmp_path, caplog):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(b'{"step": 1}\n{"st\n\xff\xfe\n[]\n{"step": 2, "loss": 1.0}\n{"step": 3, "lo')
    assert read_metrics(path) == [{"step": 1}, {"step": 2, "loss": 1.0}]
    assert "metrics.jsonl:2: not the figures of a step; 3 damaged lines are skipped" in caplog.text


def test_curves_that_begin_late_are_pointed_out(tmp_path, caplog):
    interrupted_at(7, tmp_path)
    empty(tmp_path / "metrics.jsonl")
    run(Scored(engine_in_evaluation_mode()), tmp_path)
    assert "the metrics of the steps up to 7 are lost" in caplog.text
    assert json.loads((tmp_path / "metrics.jsonl").read_text().splitlines()[0])["step"] == 8
