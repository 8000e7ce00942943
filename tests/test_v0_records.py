"""What is kept of a training for people: the record of all runs, curves, confusion, the surest mistakes."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import confusion_matrix

from final_project.data.files.predictions import write_predictions
from final_project.data.files.tables import write_pairs_csv
from final_project.data.records import Pair
from final_project.recipe import load_recipe
from similarity_v0.decision import review
from similarity_v0.decision.review import confusion, curve, surest_mistakes, write_review
from similarity_v0.record import append_record


def test_the_curve_has_a_row_an_evaluation_with_the_training_loss_since_the_last():
    metrics = [
        {"step": 0, "dev_loss": 0.7},
        *({"step": step, "loss": loss, "lr": 1e-3} for step, loss in ((5, 0.6), (10, 0.4))),
        {"step": 10, "dev_loss": 0.5, "dev_accuracy": 0.8},
        {"step": 15, "loss": None, "lr": 1e-3},  # a figure that is not finite
        {"step": 20, "loss": 0.2, "lr": 1e-3},
        {"step": 20, "dev_loss": 0.45, "dev_accuracy": 0.82},
    ]
    assert curve(metrics, 20, best_step=10) == [
        {"step": 0, "epoch": 0.0, "dev_loss": 0.7, "kept": 0},
        {"step": 10, "epoch": 0.5, "train_loss": pytest.approx(0.5), "dev_loss": 0.5, "dev_accuracy": 0.8, "kept": 1},
        {"step": 20, "epoch": 1.0, "train_loss": pytest.approx(0.2), "dev_loss": 0.45, "dev_accuracy": 0.82, "kept": 0},
    ]
    assert curve([], 20, 0) == [] and curve(metrics[:1], 0, 0)[0]["epoch"] == 0


def test_the_confusion_is_that_of_scikit_learn_and_knows_a_missing_label():
    rng = np.random.default_rng(0)
    labels, decided = rng.integers(0, 2, (2, 200))
    assert confusion(labels, decided)["counts"] == confusion_matrix(labels, decided).tolist()
    one_sided = confusion(np.ones(4, dtype=int), np.array([1, 1, 0, 1]))
    assert one_sided == {"counts": [[0, 0], [1, 3]], "shares": [[0.0, 0.0], [0.25, 0.75]]}


def test_mistakes_are_the_wrong_decisions_with_the_surest_first():
    probabilities = np.array([0.9, 0.2, 0.99, 0.4, 0.1, 0.6])
    labels = np.array([0, 1, 0, 1, 0, 1])
    decided = (probabilities >= 0.5).astype(int)
    assert surest_mistakes(probabilities, decided, labels) == [2, 0, 1, 3]
    assert surest_mistakes(probabilities, labels, labels) == []


def stage_that_has_trained(folder: Path, test_label: int | None) -> tuple[Path, Path]:
    stage, prepare = folder / "similarity_v0", folder / "prepare"
    (stage / "result").mkdir(parents=True)
    for split, label in (("dev", 1), ("test", test_label)):
        pairs = [Pair(f"{split} 第{k}句", "<b>另一句</b>\n，换行", None if label is None else k % 2) for k in range(6)]
        write_pairs_csv(prepare / f"{split}.csv", pairs)
        probabilities = np.array([0.05, 0.2, 0.4, 0.6, 0.77, 0.95])
        write_predictions(stage / "result" / f"{split}_predictions.csv", probabilities, probabilities >= 0.5)
    (stage / "metrics.jsonl").write_text('{"step": 3, "loss": 0.5}\n{"step": 3, "dev_accuracy": 0.5}\n')
    return stage, prepare


def test_curves_confusion_and_mistakes_are_written_with_both_sentences(tmp_path, monkeypatch):
    monkeypatch.setattr(review, "MOST_MISTAKES", 2)
    stage, prepare = stage_that_has_trained(tmp_path, 1)
    write_review(stage, prepare, 3, 3)
    assert pd.read_csv(stage / "result" / "curves.csv").to_dict("records") == [
        {"step": 3, "epoch": 1.0, "train_loss": 0.5, "dev_accuracy": 0.5, "kept": 1}
    ]
    confusions = json.loads((stage / "result" / "confusion.json").read_text())
    assert confusions["dev"]["counts"] == confusions["test"]["counts"] == [[2, 1], [1, 2]]
    lines = (stage / "result" / "mistakes.jsonl").read_text(encoding="utf-8").splitlines()
    mistakes = [json.loads(line) for line in lines]
    assert [(m["split"], m["row"], m["label"], m["decided"]) for m in mistakes] == [
        ("dev", 1, 1, 0), ("dev", 4, 0, 1), ("test", 1, 1, 0), ("test", 4, 0, 1),
    ]  # fmt: skip
    assert mistakes[0]["sentence1"] == "dev 第1句" and mistakes[0]["sentence2"] == "<b>另一句</b>\n，换行"
    assert mistakes[0]["probability"] == pytest.approx(0.2)


def test_curves_of_folds_say_which_fold_and_count_its_own_epochs(tmp_path):
    stage, prepare = stage_that_has_trained(tmp_path, 1)
    (stage / "metrics.jsonl").unlink()
    for number in (0, 1):
        member = stage / "folds" / str(number)
        member.mkdir(parents=True)
        (member / "metrics.jsonl").write_text('{"step": 3, "dev_accuracy": 0.5}\n')
        (member / "facts.json").write_text(json.dumps({"best_step": 3 * number}))
    (stage / "folds" / "soup").mkdir()
    write_review(stage, prepare, 6, 0)
    assert pd.read_csv(stage / "result" / "curves.csv").to_dict("records") == [
        {"fold": number, "step": 3, "epoch": 1.0, "dev_accuracy": 0.5, "kept": number} for number in (0, 1)
    ]


def test_a_split_without_labels_has_nothing_to_be_wrong_about(tmp_path):
    stage, prepare = stage_that_has_trained(tmp_path, None)
    (stage / "metrics.jsonl").unlink()  # in folds each has its own
    write_review(stage, prepare, 3, 3)
    assert json.loads((stage / "result" / "confusion.json").read_text()).keys() == {"dev"}
    assert "test" not in (stage / "result" / "mistakes.jsonl").read_text(encoding="utf-8")
    assert not (stage / "result" / "curves.csv").exists()


def test_the_record_keeps_a_row_of_every_run_and_takes_new_columns(tmp_path):
    path = tmp_path / "result_record.csv"
    append_record(path, load_recipe("demo", ["seed=1"]), {"dev": {"accuracy": 0.5}}, updates=3)
    append_record(path, load_recipe("demo", ["seed=2"]), {"dev": {"accuracy": 0.6, "mcc": 0.1}}, updates=4)
    record = pd.read_csv(path)
    assert record["seed"].tolist() == [1, 2] and record["dev_accuracy"].tolist() == [0.5, 0.6]
    assert record["dev_mcc"].isna().tolist() == [True, False] and "similarity_v0.fgm_eps" in record
