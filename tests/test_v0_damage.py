"""Fine-tuning, killed, damaged and called again: the best weights go out, or one message says why none do."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pandas as pd
import pytest
from conftest import TINY, call, stage
from test_training_resume import LONGER, kill_at, weights_digest

from similarity_v0.folds.train import is_fold_done
from similarity_v0.record import append_record

NAME = "similarity_v0"


@pytest.fixture(scope="module")
def killed(posttrained, tmp_path_factory) -> Path:
    """Fine-tuning that was killed after its second evaluation."""
    runs = Path(shutil.copytree(posttrained, tmp_path_factory.mktemp("killed") / "runs"))
    kill_at(runs, NAME, 18)
    return runs


def again(runs: Path):
    return call(NAME, "--recipe", "demo", "--", *TINY, *LONGER, f"runs_dir={runs}")


def cut_weights(folder: Path) -> None:
    path = folder / "best" / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])


@pytest.mark.parametrize("spoil", [lambda folder: shutil.rmtree(folder / "best"), cut_weights], ids=["gone", "cut"])
def test_without_the_best_weights_nothing_is_exported_under_their_name(spoil, killed, copy_of):
    runs = copy_of(killed)
    folder = runs / "demo" / NAME
    spoil(folder)
    done = again(runs)
    assert done.returncode == 2 and "Traceback" not in done.stderr, done.stderr[-2000:]
    last = done.stderr.strip().splitlines()[-1]
    assert f"{folder}/best, the best weights so far, of step" in last and "--force" in last
    assert list(folder.glob("checkpoints/step-*")) and not (folder / "manifest.json").exists(), "nothing is lost"


def test_damage_that_can_be_made_good_leaves_the_bits_of_an_undisturbed_run(killed, posttrained, copy_of):
    calm, runs = copy_of(posttrained, "calm"), copy_of(killed)
    stage(NAME, calm, *LONGER)
    folder = runs / "demo" / NAME
    newest = max(folder.glob("checkpoints/step-*"))
    shutil.copytree(newest, folder / "checkpoints" / "step-00000008.bak")
    (newest / "exp_avg.safetensors").write_bytes(b"")
    table = folder / "train_tokens" / "ids.bin"
    table.write_bytes(table.read_bytes()[:-4])
    done = again(runs)
    assert done.returncode == 0, done.stderr[-2000:]
    assert f"{newest.name} cannot be used (exp_avg.safetensors has 0 bytes" in done.stderr
    assert "train_tokens cannot be used" in done.stderr and "resuming after step" in done.stderr
    assert weights_digest(runs, NAME) == weights_digest(calm, NAME)


@pytest.mark.parametrize("same_size", [True, False])
def test_a_changed_file_of_an_earlier_stage_is_refused_before_it_is_read(same_size, posttrained, copy_of):
    runs = copy_of(posttrained)
    path = runs / "demo" / "prepare" / "train.csv"
    content = path.read_bytes()
    path.write_bytes(content[:-2] + (b"7\n" if same_size else b""))
    done = again(runs)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    what = "has changed since prepare wrote it" if same_size else "bytes where"
    assert f"{path} " in done.stderr and what in done.stderr and "bash run.sh --force prepare" in done.stderr
    assert not (runs / "demo" / NAME).exists()


def test_a_trained_fold_with_a_damaged_part_is_trained_again(tmp_path, caplog):
    from final_project.artifacts import seal

    for name in ("facts.json", "probabilities.safetensors", "result/model/model.safetensors"):
        folder = tmp_path / Path(name).stem
        (folder / "result" / "model").mkdir(parents=True)
        for each in ("facts.json", "probabilities.safetensors", "result/model/model.safetensors"):
            (folder / each).write_text("as it was")
        assert not is_fold_done(folder, 0), "before the last file is written"
        seal(folder, ["facts.json", "probabilities.safetensors", "result/model/model.safetensors"])
        assert is_fold_done(folder, 0)
        (folder / name).write_text("")
        assert not is_fold_done(folder, 1) and not folder.exists()
        assert f"({name} has 0 bytes where 9 were written); fold 1 is trained again" in caplog.text


@pytest.mark.parametrize("content", [b"", b'a,b\n1,"2\n3,4,5\n', b"\xff\xfe\x00\n"])
def test_a_damaged_record_costs_the_run_that_has_just_ended_nothing(content, tmp_path):
    from final_project.recipe import load_recipe

    path = tmp_path / "result_record.csv"
    path.write_bytes(content)
    append_record(path, load_recipe("demo"), {"dev": {"accuracy": 0.5}}, n_train=3)
    assert pd.read_csv(path)["dev_accuracy"].tolist() == [0.5]
    aside = tmp_path / "result_record.damaged.csv"
    assert not content or aside.read_bytes() == content


def test_the_score_of_the_best_weights_is_stored_next_to_them(killed):
    best = json.loads((killed / "demo" / NAME / "best" / "best.json").read_text())
    assert best["step"] in (7, 14, 21) and 0 < best["score"] <= 1
