"""Fine-tuning in folds: no sentence on both sides, resumable, and an ensemble that can be worked out from its parts."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import ROOT, command, environment
from tiny_models import tiny_config
from transformers import BertForMaskedLM

from final_project.cli import run_main
from final_project.data.files.tables import read_pairs, write_pairs_csv
from final_project.data.records import Pair
from final_project.model.decision import load_decision
from final_project.recipe import load_recipe
from final_project.run.stage_folder import StageFolder
from final_project.run.stage_key import training_stage_state
from final_project.tokens.tokenizer import build_tokenizer
from similarity_v0.__main__ import main
from similarity_v0.api import PairClassifier

pytestmark = pytest.mark.stage

LETTERS = "天地玄黄宇宙洪荒日月盈昃辰宿列张"
SPLITS = ("train", "dev", "test")
K = 3


def made_up_pairs(n: int, seed: int) -> list[Pair]:
    """Label 1: the same letters in another order. Every fourth pair shares its first sentence with the one before."""
    rng = np.random.default_rng(seed)
    pairs = []
    for row in range(n):
        first = "".join(rng.choice(list(LETTERS), 6)) + str(seed)
        if row % 4 == 3:
            first = pairs[-1].sentence1
        same = row % 2
        second = "".join(rng.permutation(list(first)) if same else rng.choice(list(LETTERS), 6))
        pairs.append(Pair(first, second, same))
    return pairs


def write_run(runs: Path, **splits: list[Pair]) -> Path:
    """A finished prepare stage with these splits, others made up."""
    folder = StageFolder(runs / "demo", "prepare")
    folder.begin("key")
    for seed, split in enumerate(SPLITS):
        write_pairs_csv(folder.path / f"{split}.csv", splits.get(split, made_up_pairs(48, seed)))
    folder.finish("key", {}, {}, [f"{split}.csv" for split in SPLITS])
    return runs


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("start")
    tokenizer = build_tokenizer([LETTERS + "012"], 60)
    torch.manual_seed(3)
    BertForMaskedLM(tiny_config(vocab_size=len(tokenizer))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def arguments(runs: Path, start: Path, *overrides: str) -> list[str]:
    settings = (f"init={start}", "epochs=2", "step_rows=8", "micro_rows=8", "max_length=32", "precision=fp32")
    settings += ("checkpoint_every=2", "lr=2e-3", *overrides)
    return ["--recipe", "demo", "--", f"runs_dir={runs}", *(f"similarity_v0.{setting}" for setting in settings)]


def fine_tune(runs: Path, start: Path, *overrides: str) -> int:
    return run_main(main, arguments(runs, start, *overrides))


OPTIONS = (f"folds={K}", "calibration=temperature", "ensemble=weighted", "ensemble_cut=dev", "max_train_pairs=40")


@pytest.fixture(scope="module")
def finished(start, tmp_path_factory) -> Path:
    """The stage's folder after a run in folds."""
    runs = write_run(tmp_path_factory.mktemp("runs"))
    assert fine_tune(runs, start, *OPTIONS) == 0
    return runs / "demo" / "similarity_v0"


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def column(path: Path, name: str = "probability") -> np.ndarray:
    return np.array([float(row[name]) for row in rows_of(path)])


def test_every_chosen_pair_is_out_of_fold_once_and_no_sentence_is_in_two_folds(finished):
    oof, pairs = rows_of(finished / "result" / "oof.csv"), read_pairs(finished.parent / "prepare" / "train.csv")
    numbers = [int(row["row"]) for row in oof]
    assert len(numbers) == len(set(numbers)) == 40
    folds_of = {}
    for row in oof:
        pair = pairs[int(row["row"])]
        for sentence in (pair.sentence1, pair.sentence2):
            folds_of.setdefault(sentence, set()).add(row["fold"])
    assert all(len(folds) == 1 for folds in folds_of.values())
    positive = [[pairs[int(row["row"])].label for row in oof if row["fold"] == str(fold)] for fold in range(K)]
    assert max(map(sum, positive)) - min(map(sum, positive)) <= 2


def test_out_of_fold_predictions_are_those_of_the_model_that_has_not_seen_the_pair(finished):
    pairs = read_pairs(finished.parent / "prepare" / "train.csv")
    calibration = json.loads((finished / "result" / "folds.json").read_text())["ensemble"]["calibration"]
    for row in rows_of(finished / "result" / "oof.csv")[::7]:
        model = PairClassifier.load(finished / "folds" / row["fold"] / "result" / "model")
        pair = pairs[int(row["row"])]
        raw = model.score([(pair.sentence1, pair.sentence2, None)]).probabilities_NC[0, 1]
        expected = 1 / (1 + np.exp(-calibration["slope"] * np.log(raw / (1 - raw))))
        assert float(row["probability"]) == pytest.approx(expected, abs=1e-5)


def test_the_ensemble_is_the_weighted_mean_of_the_folds(finished):
    facts = json.loads((finished / "result" / "folds.json").read_text())
    weights, calibration = facts["ensemble"]["weights"], facts["ensemble"]["calibration"]
    assert sum(weights) == pytest.approx(1) and min(weights) >= 0
    for split in ("dev", "test"):
        pairs = read_pairs(finished.parent / "prepare" / f"{split}.csv")
        rows = [(pair.sentence1, pair.sentence2, None) for pair in pairs]
        raw = sum(
            weight
            * PairClassifier.load(finished / "folds" / str(fold) / "result" / "model").score(rows).probabilities_NC
            for fold, weight in enumerate(weights)
        )[:, 1]
        expected = 1 / (1 + np.exp(-calibration["slope"] * np.log(raw / (1 - raw))))
        written = finished / "result" / f"{split}_predictions.csv"
        np.testing.assert_allclose(column(written), expected, atol=1e-5)
        decided = column(written) >= facts["ensemble"]["threshold"]
        assert (column(written, "label") == decided).mean() > 0.97  # nine digits may fall on the other side
        labels = np.array([pair.label for pair in pairs])
        accuracy = (column(written, "label") == labels).mean()
        assert accuracy == pytest.approx(facts["ensemble"]["scores"][split]["accuracy"])


def test_the_model_folder_is_that_of_the_fold_best_on_dev_and_the_stage_says_why(finished):
    facts = json.loads((finished / "result" / "folds.json").read_text())
    accuracies = [fold["scores"]["dev"]["accuracy"] for fold in facts["folds"]]
    best = int(np.argmax(accuracies))
    assert facts["model"]["folds"] == [best] and f"fold {best} has the best accuracy on dev" in facts["model"]["why"]
    model, source = finished / "result" / "model", finished / "folds" / str(best) / "result" / "model"
    assert {path.name for path in model.iterdir()} == {path.name for path in source.iterdir()}
    assert all(path.read_bytes() == (source / path.name).read_bytes() for path in model.iterdir())
    assert load_decision(model).calibration.method == "temperature"


def test_the_stage_counts_as_one_with_its_outputs_and_its_record(finished):
    manifest = json.loads((finished / "manifest.json").read_text())
    assert {"result/oof.csv", "result/folds.json", "result/threshold.json"} <= manifest["outputs"].keys()
    assert manifest["rows"]["train"] == 40
    (record,) = rows_of(finished / "result_record.csv")
    assert record["similarity_v0.folds"] == str(K)
    assert float(record["dev_accuracy"]) == pytest.approx(manifest["scores"]["dev"]["accuracy"])
    assert not list(finished.glob("folds/*/checkpoints"))


def test_a_run_resumes_in_the_fold_where_it_was_stopped_and_ends_alike(start, finished, tmp_path):
    runs = tmp_path / "runs"
    shutil.copytree(finished.parent.parent, runs)
    folder = runs / "demo" / "similarity_v0"
    before = json.loads((folder / "manifest.json").read_text())
    # as a kill within the last fold leaves it
    (folder / "manifest.json").unlink()
    shutil.rmtree(folder / "result")
    shutil.rmtree(folder / "folds" / str(K - 1))
    state = training_stage_state(load_recipe("demo", arguments(runs, start, *OPTIONS)[3:]), "similarity_v0")
    (folder / "started.json").write_text(json.dumps({"key": state.resume_key}))
    untouched = (folder / "folds" / "0" / "facts.json").stat().st_mtime_ns
    assert fine_tune(runs, start, *OPTIONS) == 0
    assert (folder / "folds" / "0" / "facts.json").stat().st_mtime_ns == untouched
    after = json.loads((folder / "manifest.json").read_text())
    different = [name for name in before["outputs"] if before["outputs"][name] != after["outputs"][name]]
    assert set(different) <= {"result/folds.json"}, "only seconds differ"


def test_the_soup_of_the_folds_becomes_the_model_of_the_stage_on_request(start, tmp_path):
    runs = write_run(tmp_path)
    assert fine_tune(runs, start, "folds=2", "epochs=1", "fold_model=soup", "ensemble=rank") == 0
    folder = runs / "demo" / "similarity_v0"
    facts = json.loads((folder / "result" / "folds.json").read_text())
    dev = read_pairs(runs / "demo" / "prepare" / "dev.csv")
    predicted = PairClassifier.load(folder / "result" / "model").predict([(p.sentence1, p.sentence2) for p in dev])
    accuracy = (predicted.labels == [pair.label for pair in dev]).mean()
    assert accuracy >= max(fold["scores"]["dev"]["accuracy"] for fold in facts["folds"]) - 1e-9
    assert not (folder / "folds" / "soup").exists()
    threshold = json.loads((folder / "result" / "threshold.json").read_text())
    assert threshold["found_on"] == "oof_and_dev" and threshold["rows"] == 96


def test_one_fold_trains_the_first_model_alone(start, tmp_path):
    runs = write_run(tmp_path)
    assert fine_tune(runs, start, "folds=4", "one_fold=true", "epochs=1") == 0
    folder = runs / "demo" / "similarity_v0"
    oof = rows_of(folder / "result" / "oof.csv")
    assert {row["fold"] for row in oof} == {"0"} and 10 <= len(oof) <= 14
    assert json.loads((folder / "manifest.json").read_text())["rows"]["train"] == 48 - len(oof)
    assert not (folder / "folds").exists()


def relabelled(pairs: list[Pair], label: int | None) -> list[Pair]:
    return [Pair(pair.sentence1, pair.sentence2, label) for pair in pairs]


def test_what_cannot_be_done_is_refused_with_a_reason(start, tmp_path, capsys):
    linked = [Pair("天地", f"玄{row}黄", 1) for row in range(20)] + [Pair("日月", f"盈{row}", 0) for row in range(20)]
    dev = made_up_pairs(48, 1)
    cases = [
        (
            {"train": linked},
            ("folds=3",),
            "train.csv: 2 groups of connected pairs cannot fill 3 folds: take fewer folds",
        ),
        ({"train": linked}, ("folds=2",), "fold 0 of 2 would leave only label-0 pairs to train on"),
        ({"train": relabelled(made_up_pairs(20, 0), 1)}, (), "train.csv: all 20 pairs have label 1: there is nothing"),
        ({"dev": relabelled(dev, 0)}, (), "dev.csv: all 48 pairs have label 0: there is nothing to choose"),
        ({"dev": relabelled(dev, None)}, (), "dev.csv: the dev split needs a label on every row"),
        ({"dev": [*relabelled(dev, 0)[:9], Pair("天", "地", 1)]}, ("calibration=platt",), "found 1 of one"),
        ({"dev": dev[:20], "test": dev}, (), "a threshold or a calibration found on test data is refused"),
        ({}, ("folds=1",), "folds: 1 would hold out every pair"),
        ({}, ("one_fold=true",), "one_fold: true needs folds: 2 or more"),
        (
            {},
            ("threshold_metric=cost", "false_positive_cost=0", "false_negative_cost=0"),
            "makes every threshold equally good",
        ),
        ({}, ("threshold_metric=auc",), "threshold_metric"),
        ({}, ("threshold=margin", "calibration=isotonic"), "calibration: isotonic is constant between steps"),
    ]
    for number, (splits, overrides, message) in enumerate(cases):
        runs = write_run(tmp_path / str(number), **splits)
        assert fine_tune(runs, start, *overrides) == 2, message
        error = capsys.readouterr().err
        assert message in error and "Traceback" not in error, (message, error)
        assert not (runs / "demo" / "similarity_v0" / "result").exists()


def test_a_fixed_cut_needs_no_dev_apart_from_test(start, tmp_path):
    dev = made_up_pairs(48, 1)
    assert fine_tune(write_run(tmp_path, dev=dev, test=dev), start, "threshold=half", "epochs=0") == 0


@pytest.mark.thorough
def test_a_run_that_is_killed_in_every_fold_ends_as_one_that_is_not(start, finished, tmp_path):
    runs = write_run(tmp_path)
    folder = runs / "demo" / "similarity_v0"
    call = command("similarity_v0", *arguments(runs, start, *OPTIONS))
    for number in range(K):
        process = subprocess.Popen(call, cwd=ROOT, env=environment(), stderr=subprocess.DEVNULL)
        while not list(folder.glob(f"folds/{number}/checkpoints/step-*")) and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert subprocess.run(call, cwd=ROOT, env=environment(), capture_output=True).returncode == 0
    for path in sorted((finished / "result").rglob("*")):
        if path.is_file() and path.name != "folds.json":
            assert path.read_bytes() == (folder / "result" / path.relative_to(finished / "result")).read_bytes(), path
