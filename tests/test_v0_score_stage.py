"""Texts from start to end: prepare, training with folds, a folder that answers in points, prediction, explanations."""

from __future__ import annotations

import csv
import json

import numpy as np
import pytest
import torch
from conftest import call
from scores_support import ENCODER, TARGETS
from transformers import AutoModelForSequenceClassification, AutoTokenizer, pipeline

from similarity_v0 import PairClassifier, TextScorer

NAMES = ["cohesion", "grammar", "conventions"]
TINY = (
    *ENCODER, TARGETS, "posttrain.epochs=0", "posttrain.held_out_rows=8", "prepare.demo_pairs=100",
    "encoder.max_positions=192", "posttrain.max_length=192", "similarity_v0.max_length=192", "similarity_v0.epochs=1",
    "similarity_v0.precision=fp32", "similarity_v0.step_rows=32", "similarity_v0.micro_rows=16",
    "similarity_v0.lr=3e-3",
)  # fmt: skip
pytestmark = pytest.mark.stage


def run(runs, *overrides: str, stages=("prepare", "posttrain", "similarity_v0")) -> str:
    said = ""
    for stage in stages:
        command = ["final_project", "prepare"] if stage == "prepare" else [stage]
        done = call(*command, "--recipe", "demo", "--", *TINY, f"runs_dir={runs}", *overrides)
        assert done.returncode == 0, done.stderr[-3000:]
        said += done.stderr
    return said


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    runs = tmp_path_factory.mktemp("scores")
    return runs / "demo", run(runs)


def test_a_run_prints_the_training_mean_beside_its_figures(trained):
    folder, said = trained
    assert "dev_mcrmse" in said and "beside training mean" in said and "length line" in said
    scores = json.loads((folder / "similarity_v0" / "result" / "scores.json").read_text())
    assert set(scores["dev"]["targets"]) == set(NAMES) and scores["dev"]["targets"]["grammar"]["n"] == 300
    with (folder / "similarity_v0" / "result" / "curves.csv").open() as file:
        assert "dev_mcrmse" in next(csv.reader(file))


def test_the_saved_folder_answers_in_points_to_transformers_alone(trained):
    folder, _ = trained
    model = folder / "similarity_v0" / "result" / "model"
    with (folder / "prepare" / "test.csv").open(encoding="utf-8", newline="") as file:
        texts = [row["text"] for row in csv.DictReader(file)][:6]
    plain, tokenizer = AutoModelForSequenceClassification.from_pretrained(model), AutoTokenizer.from_pretrained(model)
    assert plain.config.problem_type == "regression" and list(plain.config.id2label.values()) == NAMES
    with torch.no_grad():
        logits = plain(**tokenizer(texts, padding=True, truncation=True, return_tensors="pt")).logits.numpy()
    scores = TextScorer.load(model).predict(texts)
    assert scores.names == tuple(NAMES) and (scores.low, scores.high) == (1, 5)
    np.testing.assert_allclose(scores.values, np.clip(logits, 1, 5), rtol=0, atol=1e-5)
    with (folder / "similarity_v0" / "result" / "test_predictions.csv").open() as file:
        during = np.array([[float(row[name]) for name in NAMES] for row in csv.DictReader(file)])
    np.testing.assert_allclose(during[:6], scores.values, rtol=0, atol=1e-5)
    (answers,) = pipeline("text-classification", model=str(model), top_k=None)([texts[0]])
    assert {answer["label"] for answer in answers} == set(NAMES)
    assert np.allclose(scores.rounded * 2, np.round(scores.rounded * 2))


def test_a_command_predicts_a_file_as_the_run_did(trained, tmp_path):
    folder, _ = trained
    model, source = folder / "similarity_v0" / "result" / "model", folder / "prepare" / "test.csv"
    done = call(
        "similarity_v0", "predict", "--model", str(model), "--input", str(source), "--output", str(tmp_path / "p.csv")
    )
    assert done.returncode == 0 and json.loads(done.stdout)["rows"] == 300 and "mcrmse" in json.loads(done.stdout)
    ours, theirs = (
        path.read_text().splitlines() for path in (tmp_path / "p.csv", folder / "similarity_v0/result/submission.csv")
    )
    assert ours[0] == theirs[0] == "id,cohesion,grammar,conventions" and len(ours) == len(theirs)
    gaps = [abs(float(a) - float(b)) for x, y in zip(ours[1:], theirs[1:], strict=True)
            for a, b in zip(x.split(",")[1:], y.split(",")[1:], strict=True)]  # fmt: skip
    assert max(gaps) < 1e-5


def test_each_loader_names_the_right_one(trained, tmp_path):
    folder, _ = trained
    model = folder / "similarity_v0" / "result" / "model"
    with pytest.raises(Exception, match="TextScorer loads it"):
        PairClassifier.load(model)
    with pytest.raises(Exception, match="PairClassifier loads classifiers of pairs"):
        TextScorer.load(tmp_path)


def test_every_score_is_explained_and_set_against_the_planted_faults(trained):
    folder, _ = trained
    run(folder.parent, "similarity_v1.ig_steps=2", stages=("similarity_v1",))
    with (folder / "similarity_v1" / "scores.jsonl").open(encoding="utf-8") as file:
        first = json.loads(next(file))
    assert set(first["explained"]) == set(NAMES)
    for found in first["explained"].values():
        assert len(found["scores"]) == len(first["words"]) and np.isfinite(found["scores"]).all()
    evaluation = json.loads((folder / "similarity_v1" / "evaluation.json").read_text())["targets"]
    assert all(0 <= evaluation[name]["planted_faults"]["random"] <= 1 for name in NAMES)
    model = str(folder / "similarity_v0" / "result" / "model")
    refused = call("similarity_v1", "explain", "--model", model, "One text.")
    assert refused.returncode == 2 and "name one of cohesion, grammar, conventions" in refused.stderr
    shown = call("similarity_v1", "explain", "--model", model, "--target", "grammar", "One text.")
    assert shown.returncode == 0 and "score of grammar" in shown.stdout


def test_folds_give_every_training_text_an_answer_of_a_model_that_has_not_seen_it(trained, tmp_path):
    folder, _ = trained
    said = run(folder.parent, "similarity_v0.folds=2", "similarity_v0.loss=mcrmse", stages=("similarity_v0",))
    assert "label distribution error" in said and "out of fold" in said
    with (folder / "similarity_v0" / "result" / "oof.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 100 and {row["fold"] for row in rows} == {"0", "1"} and set(NAMES) < set(rows[0])
    facts = json.loads((folder / "similarity_v0" / "result" / "folds.json").read_text())
    assert facts["oof"]["mcrmse"] > 0 and sum(facts["spread"]["sizes"]) == 100


def test_named_labels_are_learnt_and_set_beside_a_linear_baseline(tmp_path):
    words = {"animal": "the dog and the cat run", "city": "a street with a tall house", "food": "bread and some cheese"}
    rows = [(f"{words[name]} number {n}", name) for n in range(30) for name in words]
    (tmp_path / "mine.csv").write_text("text,label\n" + "".join(f"{text},{name}\n" for text, name in rows))
    given = ("targets={kind: labels}", f"prepare.train_file={tmp_path / 'mine.csv'}")
    said = run(tmp_path / "runs", *given, "similarity_v0.best_by=macro_f1", "similarity_v0.epochs=3")
    assert "3 labels" in said and "tfidf linear on dev: accuracy 1.0000" in said
    result = tmp_path / "runs" / "demo" / "similarity_v0" / "result"
    with (result / "dev_predictions.csv").open() as file:
        assert {row["label"] for row in csv.DictReader(file)} <= set(words)
    config = json.loads((result / "model" / "config.json").read_text())
    assert list(config["id2label"].values()) == sorted(words)
    with pytest.raises(Exception, match="a model of single texts, not of pairs; transformers' pipeline loads it"):
        PairClassifier.load(result / "model")
    with (result / "labels.csv").open() as file:
        assert {row["label"] for row in csv.DictReader(file)} == set(words)
