"""Ensembles by hand computation; the commands that combine files of predictions and weights of models."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from safetensors.torch import load_file
from sklearn.metrics import log_loss
from tiny_models import tiny_config
from transformers import BertForSequenceClassification

from final_project.cli import run_main
from final_project.model.decision import Decision, load_decision
from final_project.model.folder import load_tokenizer
from final_project.tokens.tokenizer import build_tokenizer
from final_project.training.weights import save_tensors
from similarity_v0.__main__ import main
from similarity_v0.api import PairClassifier
from similarity_v0.folds.ensemble_methods import combined, fitted_weights
from similarity_v0.folds.model_soup import greedy_choice

PAIRS = [
    ("今天天气好吗", "天气好不好"),
    ("怎么退货", "如何退掉商品呢"),
    ("好", "不好"),
    ("开门", "关门"),
    ("你好", "您好"),
]
TWO = np.array([[0.2, 0.5, 0.9, 0.5], [0.4, 0.8, 0.9, 0.1]])


def test_methods_equal_computation_by_hand():
    np.testing.assert_allclose(combined("mean", TWO), [0.3, 0.65, 0.9, 0.3])
    # odds 1/4 and 2/3: their geometric mean is sqrt(1/6), its share 0.28989...
    odds = np.sqrt([(0.2 / 0.8) * (0.4 / 0.6), 1 * 4, 81, 1 / 9])
    np.testing.assert_allclose(combined("logit", TWO), odds / (1 + odds))
    # ranks 1, 2.5, 4, 2.5 and 2, 3, 4, 1 of four, each less a half
    np.testing.assert_allclose(combined("rank", TWO), [(0.5 + 1.5) / 8, (2 + 2.5) / 8, 3.5 / 4, (2 + 0.5) / 8])
    np.testing.assert_allclose(combined("weighted", TWO, [0.25, 0.75]), [0.35, 0.725, 0.9, 0.2])


@pytest.mark.parametrize("method", ["mean", "logit", "weighted"])
def test_a_model_with_itself_is_the_model(method):
    weights = [0.3, 0.7] if method == "weighted" else None
    np.testing.assert_allclose(combined(method, [TWO[0], TWO[0]], weights), TWO[0])


@pytest.mark.parametrize("method", ["mean", "logit", "rank"])
def test_neither_the_order_of_models_nor_that_of_rows_matters(method):
    np.testing.assert_allclose(combined(method, TWO), combined(method, TWO[::-1]))
    order = [2, 0, 3, 1]
    np.testing.assert_allclose(combined(method, TWO)[order], combined(method, TWO[:, order]))


def test_certain_models_that_disagree_have_a_logit_mean():
    np.testing.assert_allclose(combined("logit", [[1.0, 0.0, 1.0], [0.0, 0.0, 1.0]]), [0.5, 0, 1], atol=1e-12)


def test_weights_have_the_lowest_loss_on_the_simplex():
    rng = np.random.default_rng(4)
    labels = (rng.random(200) < 0.5).astype(int)
    p_MB = np.clip(0.5 + (labels - 0.5) * 0.4 + rng.normal(0, [[0.2], [0.3], [0.5]], (3, 200)), 0.02, 0.98)
    found = fitted_weights(p_MB, labels)
    assert (found >= 0).all() and found.sum() == pytest.approx(1)
    lowest = log_loss(labels, found @ p_MB)
    grid = [(a / 20, b / 20, 1 - (a + b) / 20) for a in range(21) for b in range(21 - a)]
    losses = [log_loss(labels, np.array(weights) @ p_MB) for weights in grid]
    assert lowest <= min(losses) + 1e-9
    np.testing.assert_allclose(found, grid[int(np.argmin(losses))], atol=0.1)


def test_a_model_that_knows_all_gets_all_the_weight():
    labels = np.array([0, 1, 0, 1, 1])
    weights = fitted_weights([np.full(5, 0.5), 0.1 + 0.8 * labels, 1 - labels * 0.9], labels)
    np.testing.assert_allclose(weights, [0, 1, 0], atol=1e-6)


def test_equal_models_share_the_weight():
    labels = np.array([0, 1, 0, 1, 1])
    p = np.array([0.2, 0.6, 0.4, 0.9, 0.3])
    np.testing.assert_allclose(fitted_weights([p, p], labels), [0.5, 0.5])


def test_a_greedy_choice_keeps_what_does_not_lower_the_score():
    asked = []

    def score_of(numbers):
        asked.append(numbers)
        return {(1, 2): 0.85, (1, 2, 0): 0.84, (1, 2, 3): 0.85}[tuple(numbers)]

    assert greedy_choice([0.7, 0.8, 0.75, 0.1], score_of) == ([1, 2, 3], 0.85)
    assert asked == [[1, 2], [1, 2, 0], [1, 2, 3]], "from the best alone to the worst alone"


# --- the command for files --------------------------------------------------------------------------------------------


def write_csv(path: Path, header: str, rows) -> Path:
    path.write_text("\n".join([header, *(",".join(map(str, row)) for row in rows)]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def files(tmp_path) -> list[Path]:
    return [
        write_csv(
            tmp_path / f"{name}.csv", "row,probability,label", [(row, p, int(p >= 0.5)) for row, p in enumerate(column)]
        )
        for name, column in zip("ab", TWO.tolist(), strict=True)
    ]


def ensemble(*arguments) -> int:
    return run_main(main, ["ensemble", *map(str, arguments)])


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_files_of_predictions_become_one_whatever_the_order_of_their_rows(files, tmp_path, capsys):
    (tmp_path / "b.csv").write_text("probability,label,row\n0.9,1,2\n0.1,0,3\n0.4,0,0\n0.8,1,1\n", encoding="utf-8")
    table = pa.table({"row": [0, 1, 2, 3], "probability": [0.9, 0.1, 0.3, 0.5]})
    pq.write_table(table, tmp_path / "c.parquet")
    output = tmp_path / "out.csv"
    assert ensemble("--predictions", *files, tmp_path / "c.parquet", "--output", output) == 0
    rows = rows_of(output)
    assert [row["row"] for row in rows] == ["0", "1", "2", "3"]
    assert [float(row["probability"]) for row in rows] == pytest.approx([1.5 / 3, 1.4 / 3, 0.7, 1.1 / 3], abs=1e-8)
    assert [row["label"] for row in rows] == ["1", "0", "1", "0"]
    answer = json.loads(capsys.readouterr().out)
    assert answer["rows"] == 4 and answer["files"] == 3 and "accuracy" not in answer


def test_gold_labels_give_scores_weights_and_a_threshold(files, tmp_path, capsys):
    gold = write_csv(tmp_path / "dev.csv", "sentence1,sentence2,label", [("甲", "乙", y) for y in (0, 1, 1, 0)])
    by_row = write_csv(tmp_path / "labels.csv", "row,label", [(3, 0), (1, 1), (2, 1), (0, 0)])
    output = tmp_path / "out.csv"
    answers = []
    for path in (gold, by_row):
        call = ("--predictions", *files, "--method", "weighted", "--gold", path, "--output", output)
        assert ensemble(*call, "--threshold", "sweep") == 0
        answers.append(json.loads(capsys.readouterr().out))
    assert answers[0] == answers[1] and answers[0]["accuracy"] == 1.0
    weights = fitted_weights(TWO, np.array([0, 1, 1, 0]))
    assert answers[0]["weights"] == pytest.approx(weights.tolist())
    given = ("--weights", *answers[0]["weights"], "--threshold", answers[0]["threshold"])
    assert ensemble("--predictions", *files, "--method", "weighted", *given, "--output", tmp_path / "again.csv") == 0
    assert (tmp_path / "again.csv").read_bytes() == output.read_bytes(), "taken over from dev to other rows"


def test_ids_of_any_kind_are_kept(tmp_path):
    for name in "ab":
        write_csv(tmp_path / f"{name}.csv", "id,probability", [("q7", 0.25), ("q3", 0.5)])
    assert ensemble("--predictions", tmp_path / "a.csv", tmp_path / "b.csv", "--output", tmp_path / "out.csv") == 0
    assert [(row["id"], row["label"]) for row in rows_of(tmp_path / "out.csv")] == [("q7", "0"), ("q3", "1")]


def test_what_is_wrong_is_one_message_and_nothing_is_written(files, tmp_path, capsys):
    a, b = files
    gold = write_csv(tmp_path / "dev.csv", "sentence1,sentence2,label", [("甲", "乙", y) for y in (0, 1, 1, 0)])
    test = write_csv(tmp_path / "test.csv", "sentence1,sentence2,label", [("甲", "乙", y) for y in (0, 1, 1, 0)])
    test_predictions = write_csv(tmp_path / "test_predictions.csv", "row,probability", enumerate(TWO[0]))
    fewer = write_csv(tmp_path / "fewer.csv", "row,probability", [(0, 0.5), (2, 0.5), (3, 0.5)])
    more = write_csv(tmp_path / "more.csv", "row,probability", enumerate([0.5] * 6))
    twice = write_csv(tmp_path / "twice.csv", "row,probability", [(0, 0.5), (1, 0.5), (0, 0.5)])
    above = write_csv(tmp_path / "above.csv", "row,probability", [(0, 0.5), (1, 1.5)])
    nan = write_csv(tmp_path / "nan.csv", "row,probability", [(0, 0.5), (1, "nan")])
    headless = write_csv(tmp_path / "headless.csv", "0,0.5,1", [(1, 0.5, 1)])
    torn = write_csv(tmp_path / "torn.csv", "row,probability", [(0, 0.5), (1,)])
    few_labels = write_csv(tmp_path / "few.csv", "row,label", [(0, 1), (1, 1), (2, 0)])
    bad_label = write_csv(tmp_path / "bad.csv", "row,label", [(0, 1), (1, 2), (2, 0), (3, 0)])
    weighted = ("--method", "weighted")
    cases = [
        ([a], (), "two files or more"),
        ([a, fewer], (), f"fewer.csv: 1 rows of {a} are missing, the first of them row 1"),
        ([a, more], (), f"more.csv: 2 rows are not in {a}, the first of them row 4"),
        ([twice, a], (), "twice.csv:4: row 0 again; the first is on line 2"),
        ([above, a], (), "above.csv:3: expected a probability from 0 to 1, found '1.5'"),
        ([nan, a], (), "nan.csv:3: expected a probability"),
        ([headless, a], (), "headless.csv:1: expected a header with row or id, and probability"),
        ([torn, a], (), "torn.csv:3: expected 2 columns, found 1"),
        ([a, tmp_path / "nowhere.csv"], (), "nowhere.csv: cannot read"),
        ([a, tmp_path / "nowhere.parquet"], (), "nowhere.parquet: cannot read"),
        ([a, b], weighted, "weights can only be found on labels"),
        ([a, b], (*weighted, "--weights", 0.5), "expected 2, one a file, found 1"),
        ([a, b], (*weighted, "--weights", 0.5, 0.6), "sum to 1"),
        ([a, b], ("--weights", 0.5, 0.5), "--weights belong to --method weighted"),
        ([a, b], ("--threshold", "high"), "expected a number or sweep, found 'high'"),
        ([a, b], ("--threshold", "sweep"), "a threshold can only be found on labels"),
        ([a, b], ("--threshold", "sweep", "--gold", test), "test data must not choose a threshold"),
        ([a, test_predictions], (*weighted, "--gold", gold), "test data must not choose weights"),
        ([a, b], ("--gold", few_labels), f"few.csv: 1 rows of {a} are missing, the first of them row 3"),
        ([a, b], ("--gold", bad_label), "bad.csv:3: label must be 0 or 1, found '2'"),
    ]
    for predictions, more_arguments, message in cases:
        assert ensemble("--predictions", *predictions, *more_arguments, "--output", tmp_path / "out.csv") == 2
        error = capsys.readouterr().err
        assert message in error and "Traceback" not in error, (message, error)
        assert not (tmp_path / "out.csv").exists()


# --- soup -------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> list[Path]:
    """Three classifiers of one architecture and tokenizer."""
    tokenizer = build_tokenizer(("".join(pair) for pair in PAIRS), 60)
    folders = []
    for seed in range(3):
        folder = tmp_path_factory.mktemp(f"model{seed}")
        torch.manual_seed(seed)
        BertForSequenceClassification(tiny_config(vocab_size=len(tokenizer))).save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        Decision(0.9).save(folder)
        folders.append(folder)
    return folders


@pytest.fixture(scope="module")
def dev(tmp_path_factory) -> Path:
    rows = [(*pair, label) for pair, label in zip(PAIRS, (1, 0, 1, 0, 1), strict=True)]
    return write_csv(tmp_path_factory.mktemp("pairs") / "dev.csv", "sentence1,sentence2,label", rows)


def soup(*arguments) -> int:
    return run_main(main, ["soup", *map(str, arguments)])


def test_a_soup_is_the_mean_of_the_weights_and_loads_as_a_model(models, tmp_path):
    assert soup("--models", *models, "--output", tmp_path / "soup") == 0
    made, *given = (load_file(folder / "model.safetensors") for folder in (tmp_path / "soup", *models))
    for name, weight in made.items():
        expected = sum(weights[name].double() for weights in given) / 3
        torch.testing.assert_close(weight.double(), expected, atol=1e-7, rtol=0)
        assert weight.dtype == given[0][name].dtype
    assert load_decision(tmp_path / "soup") == Decision(), "a threshold of one model is not the soup's"
    assert len(PairClassifier.load(tmp_path / "soup").predict(PAIRS).labels) == len(PAIRS)


def test_a_model_with_itself_and_with_its_checkpoint_is_the_model(models, tmp_path):
    weights = load_file(models[0] / "model.safetensors")
    (tmp_path / "step-00000010").mkdir()
    save_tensors(tmp_path / "step-00000010" / "model.safetensors", {f"classifier.{k}": v for k, v in weights.items()})
    assert soup("--models", models[0], models[0], tmp_path / "step-00000010", "--output", tmp_path / "soup") == 0
    made = load_file(tmp_path / "soup" / "model.safetensors")
    assert made.keys() == weights.keys() and all(torch.equal(made[name], weights[name]) for name in made)


def test_where_a_tokenizer_cuts_is_no_reason_against_a_soup(models, tmp_path):
    other = shutil.copytree(models[1], tmp_path / "other")
    tokenizer = load_tokenizer(other)
    tokenizer("", "", truncation="longest_first", max_length=17)
    tokenizer.save_pretrained(other)
    assert soup("--models", models[0], other, "--output", tmp_path / "soup") == 0
    (other / "tokenizer.json").write_text("{")
    assert soup("--models", models[0], other, "--output", tmp_path / "other_soup") == 2, "what cannot be read differs"


def test_a_greedy_soup_is_not_worse_on_dev_than_its_best_model(models, dev, tmp_path, capsys):
    assert soup("--models", *models, "--output", tmp_path / "soup", "--dev", dev, "--greedy") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["accuracy"] >= max(answer["accuracy_of_each"])
    assert set(answer["taken"]) <= set(map(str, models))
    decision = load_decision(tmp_path / "soup")
    assert decision.threshold == answer["threshold"]
    predicted = PairClassifier.load(tmp_path / "soup").predict(PAIRS)
    assert np.mean(predicted.labels == [1, 0, 1, 0, 1]) == pytest.approx(answer["accuracy"])


def test_what_cannot_be_averaged_is_one_message_and_nothing_is_written(models, dev, tmp_path, capsys):
    other_tokenizer, wider, renamed = (tmp_path / name for name in ("other_tokenizer", "wider", "renamed"))
    for folder in (other_tokenizer, wider, renamed):
        shutil.copytree(models[0], folder)
    build_tokenizer(["完全不同的字"], 60).save_pretrained(other_tokenizer)
    config = tiny_config(vocab_size=json.loads((models[0] / "config.json").read_text())["vocab_size"], hidden_size=32)
    BertForSequenceClassification(config).save_pretrained(wider)
    weights = load_file(renamed / "model.safetensors")
    save_tensors(renamed / "model.safetensors", {("x" + name): value for name, value in weights.items()})
    narrower = tmp_path / "checkpoint"
    narrower.mkdir()
    save_tensors(narrower / "model.safetensors", {f"classifier.{k}": v[:1] for k, v in weights.items()})
    one_label = write_csv(tmp_path / "one.csv", "sentence1,sentence2,label", [("甲", "乙", 1)])
    test = shutil.copy(dev, tmp_path / "lcqmc_test.csv")
    full = tmp_path / "full"
    full.mkdir()
    (full / "thesis.txt").write_text("mine")
    output, first = ("--output", tmp_path / "soup"), models[0]
    cases = [
        ((first, *output), "two models or more"),
        ((first, models[1], *output, "--greedy"), "give them with --dev"),
        ((first, models[1], *output, "--dev", test), "a choice by test data is refused"),
        ((first, models[1], *output, "--dev", one_label), "all 1 pairs have label 1"),
        ((first, models[1], "--output", full), "already exists"),
        ((first, tmp_path / "nowhere", *output), "expected a model folder or a checkpoint"),
        ((tmp_path / "nowhere", first, *output), "no such model folder"),
        ((first, other_tokenizer, *output), f"not the tokenizer of {first} (tokenizer.json differs)"),
        ((first, wider, *output), f"not the architecture of {first}: hidden_size is 32, there 16"),
        ((first, renamed, *output), f"not the weights of {first / 'model.safetensors'}"),
        ((first, narrower, *output), "has the shape"),
    ]
    for arguments, message in cases:
        assert soup("--models", *arguments) == 2
        error = capsys.readouterr().err
        assert message in error and "Traceback" not in error, (message, error)
        assert not (tmp_path / "soup").exists()
    assert (full / "thesis.txt").read_text() == "mine"
