"""predict: one row an input row, in order; what is wrong is one message."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import tiny_config
from transformers import BertForMaskedLM, BertForSequenceClassification

from final_project.cli import run_main
from final_project.model.decision import Decision
from final_project.model.tokens import build_tokenizer
from similarity_v0.__main__ import main

PAIRS = [("今天天气好吗", "天气好不好"), ("怎么退货", "如何退掉商品呢"), ("好", "不好")]


@pytest.fixture(scope="module")
def model_folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    tokenizer = build_tokenizer(("".join(pair) for pair in PAIRS), 60)
    torch.manual_seed(3)
    BertForSequenceClassification(tiny_config(vocab_size=len(tokenizer))).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    Decision(0.5).save(folder)
    return folder


def write_pairs(path: Path, labels: list[int] | None) -> Path:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["sentence1", "sentence2", "label"])
        for at, pair in enumerate(PAIRS):
            writer.writerow([*pair, "" if labels is None else labels[at]])
    return path


def predict(model: Path, source: Path, target: Path) -> int:
    return run_main(main, ["predict", "--model", str(model), "--input", str(source), "--output", str(target)])


def test_rows_come_out_in_order_with_the_models_own_probabilities(model_folder, tmp_path, capsys):
    target = tmp_path / "out.csv"
    assert predict(model_folder, write_pairs(tmp_path / "pairs.csv", [1, 0, 1]), target) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["rows"] == 3 and 0 <= answer["accuracy"] <= 1
    model = BertForSequenceClassification.from_pretrained(model_folder).eval()
    tokenizer = build_tokenizer(("".join(pair) for pair in PAIRS), 60)
    with target.open(encoding="utf-8") as file:
        for number, (row, pair) in enumerate(zip(csv.DictReader(file), PAIRS, strict=True)):
            with torch.no_grad():
                logits = model(**tokenizer(*pair, return_tensors="pt")).logits[0].double()
            probability = float(torch.softmax(logits, -1)[1])
            assert int(row["row"]) == number
            assert float(row["probability"]) == pytest.approx(probability, abs=1e-6)
            assert int(row["label"]) == int(probability >= 0.5)


def test_pairs_without_labels_get_no_scores(model_folder, tmp_path, capsys):
    assert predict(model_folder, write_pairs(tmp_path / "pairs.csv", None), tmp_path / "out.csv") == 0
    assert "accuracy" not in json.loads(capsys.readouterr().out)


def test_a_decision_is_a_cut_on_the_probability_of_class_1():
    probabilities = np.array([[0.4, 0.6], [0.6, 0.4], [0.3, 0.7]])
    assert Decision().labels(probabilities).tolist() == [1, 0, 1]
    assert Decision(0.65).labels(probabilities).tolist() == [0, 0, 1]


def test_what_is_wrong_is_one_message_and_nothing_is_written(model_folder, tmp_path, capsys):
    pairs = write_pairs(tmp_path / "pairs.csv", [1, 0, 1])
    no_tokenizer, masked_lm, bad_rule = (tmp_path / name for name in ("no_tokenizer", "masked_lm", "bad_rule"))
    for folder in (no_tokenizer, masked_lm, bad_rule):
        folder.mkdir()
        for file in model_folder.iterdir():
            (folder / file.name).write_bytes(file.read_bytes())
    (no_tokenizer / "tokenizer.json").unlink()
    BertForMaskedLM(tiny_config()).save_pretrained(masked_lm)
    (bad_rule / "decision.json").write_text('{"threshold": "high"}')
    torn = tmp_path / "torn.csv"
    torn.write_text("sentence1,sentence2,label\n甲,乙\n", encoding="utf-8")
    cases = [
        (model_folder, tmp_path / "missing.csv", "missing.csv: cannot read"),
        (model_folder, torn, "torn.csv:2"),
        (tmp_path / "nowhere", pairs, "no such model folder"),
        (no_tokenizer, pairs, "the tokenizer is missing"),
        (masked_lm, pairs, "no trained classifier"),
        (bad_rule, pairs, "decision.json: expected"),
    ]
    for model, source, message in cases:
        assert predict(model, source, tmp_path / "out.csv") == 2
        error = capsys.readouterr().err
        assert message in error and "Traceback" not in error
        assert not (tmp_path / "out.csv").exists()
