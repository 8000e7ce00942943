"""predict and the Python API: one row an input row, in order, whatever the file's form and size; what is wrong is one
message."""

from __future__ import annotations

import copy
import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import ROOT, environment
from tiny_models import random_inputs, tiny_config
from training_support import run_on_two_ranks
from transformers import BertForMaskedLM, BertForSequenceClassification, RobertaForSequenceClassification

from final_project.cli import run_main
from final_project.model.cls_only_layer import FirstTokenLayer, use_cls_only_last_layer
from final_project.model.decision import Decision
from final_project.parallel.world import World
from final_project.tokens.tokenizer import build_tokenizer
from similarity_v0 import PairClassifier, api
from similarity_v0.__main__ import main
from similarity_v0.commands.predict import predict_file
from similarity_v0.decision.scores import scores_of
from similarity_v0.decision.streaming_scores import StreamingScores

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


SIZES = (
    "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads", "intermediate_size", "pad_token_id",
    "max_position_embeddings", "type_vocab_size",
)  # fmt: skip
CHARACTERS = sorted(set("".join(a + b for a, b in PAIRS)))


def many_pairs(n_rows: int) -> list[tuple[str, str, int]]:
    """Rows of all lengths, as a seed draws them."""
    rng = np.random.default_rng(n_rows)
    sides = ["".join(rng.choice(CHARACTERS, rng.integers(1, 12))) for _ in range(2 * n_rows)]
    return list(zip(sides[::2], sides[1::2], rng.integers(0, 2, n_rows).tolist(), strict=True))


def write_form(path: Path, rows: list[tuple[str, str, int]]) -> Path:
    table = pd.DataFrame(rows, columns=["sentence1", "sentence2", "label"])
    if path.suffix == ".parquet":
        table.to_parquet(path, index=False)
    elif path.suffix == ".jsonl":
        table.to_json(path, orient="records", lines=True, force_ascii=False)
    else:
        table.to_csv(path, sep="\t" if path.suffix == ".tsv" else ",", index=False)
    return path


def test_every_form_of_input_gives_the_same_bytes(model_folder, tmp_path, capsys):
    rows = many_pairs(30)
    answers, files = set(), set()
    for form in ("csv", "tsv", "jsonl", "parquet"):
        target = tmp_path / f"from_{form}.csv"
        assert predict(model_folder, write_form(tmp_path / f"pairs.{form}", rows), target) == 0
        answers.add(capsys.readouterr().out)
        files.add(target.read_bytes())
    assert len(answers) == len(files) == 1 and '"rows": 30' in answers.pop()


def test_parquet_that_is_written_holds_what_the_csv_holds(model_folder, tmp_path):
    source = write_form(tmp_path / "pairs.csv", many_pairs(25))
    for form in ("csv", "parquet"):
        assert predict(model_folder, source, tmp_path / f"out.{form}") == 0
    pd.testing.assert_frame_equal(
        pd.read_parquet(tmp_path / "out.parquet"), pd.read_csv(tmp_path / "out.csv"), check_dtype=False
    )


def test_chunks_change_no_probability_and_no_order(model_folder, tmp_path, monkeypatch):
    rows = many_pairs(101)
    source = write_form(tmp_path / "pairs.jsonl", rows)
    classifier = PairClassifier.load(model_folder)
    whole = classifier.predict([row[:2] for row in rows])
    monkeypatch.setattr(api, "CHUNK_ROWS", 7)
    parts = classifier.predict(row[:2] for row in rows)
    np.testing.assert_allclose(parts.probabilities, whole.probabilities, rtol=0, atol=1e-6)
    assert predict(model_folder, source, tmp_path / "out.csv") == 0
    written = pd.read_csv(tmp_path / "out.csv")
    assert written["row"].tolist() == list(range(101)) and (written["label"] == whole.labels).all()
    np.testing.assert_allclose(written["probability"], whole.probabilities, rtol=0, atol=1e-6)


def predict_on_this_rank(world: World, folder: Path) -> None:
    api.CHUNK_ROWS = 16
    classifier = PairClassifier.load(folder / "model")
    predict_file(classifier, folder / "pairs.csv", folder / f"on_{world.size}.csv", world)
    with pytest.raises(SystemExit if world.size > 1 else Exception) as end:
        predict_file(classifier, folder / "torn.csv", folder / "torn_out.csv", world)
    assert world.size == 1 or end.value.code == 2


@pytest.mark.engines
def test_two_ranks_write_the_bytes_of_one(model_folder, tmp_path, monkeypatch):
    monkeypatch.setattr(api, "CHUNK_ROWS", 16)
    (tmp_path / "model").symlink_to(model_folder)
    source = write_form(tmp_path / "pairs.csv", many_pairs(75))  # five chunks, the last one short: a rank stands idle
    (tmp_path / "torn.csv").write_bytes(source.read_bytes() + "甲,乙\n".encode())
    predict_on_this_rank(World(), tmp_path)
    run_on_two_ranks(predict_on_this_rank, tmp_path)
    assert (tmp_path / "on_2.csv").read_bytes() == (tmp_path / "on_1.csv").read_bytes()
    assert not (tmp_path / "torn_out.csv").exists()


def test_scores_counted_row_by_row_are_those_of_all_rows_at_once():
    rng = np.random.default_rng(5)
    for n_rows, share in ((1, 0.5), (50, 0.5), (200, 0.02), (40, 1.0)):
        truth = (rng.random(n_rows) < share).astype(np.int64)
        probabilities = np.r_[0.0, 1.0, rng.random(n_rows)][:n_rows]
        tally = StreamingScores()
        for part in np.array_split(np.arange(n_rows), 3):
            tally.add(probabilities[part], (probabilities[part] >= 0.4).astype(np.int64), truth[part])
        assert tally.scores() == pytest.approx(scores_of(probabilities, truth, 0.4), abs=1e-12)


def test_three_lines_of_python_predict(model_folder):
    model = PairClassifier.load(model_folder)
    probabilities, labels = model.predict(PAIRS)
    assert probabilities.shape == labels.shape == (3,) and set(labels.tolist()) <= {0, 1}
    assert (labels == (probabilities >= 0.5)).all()
    assert model.predict([]).labels.shape == (0,)
    with pytest.raises(ValueError, match="pair 1: expected two strings"):
        model.predict([PAIRS[0], ("only one",)])


@pytest.mark.parametrize("kind", [BertForSequenceClassification, RobertaForSequenceClassification])
def test_tokens_that_no_head_reads_are_left_out_without_changing_the_answer(kind):
    torch.manual_seed(2)
    sizes = tiny_config(max_position_embeddings=40).to_dict()
    whole = kind(kind.config_class(**{key: sizes[key] for key in SIZES})).eval()
    spared = copy.deepcopy(whole)
    use_cls_only_last_layer(spared)
    for inputs in (random_inputs(), {key: value[:1, :4] for key, value in random_inputs().items()}):
        with torch.no_grad():
            torch.testing.assert_close(spared(**inputs).logits, whole(**inputs).logits, rtol=0, atol=1e-6)
    assert isinstance(spared.base_model.encoder.layer[-1], FirstTokenLayer)


@pytest.mark.stage
def test_importing_the_stage_stays_light_until_the_classifier_is_asked_for():
    code = (
        "import sys, similarity_v0; sys.exit('torch' in sys.modules or 'PairClassifier' not in similarity_v0.__all__)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment(), check=True)


def test_bfloat16_is_near_float32(model_folder):
    plain, rounded = (PairClassifier.load(model_folder, precision).predict(PAIRS) for precision in ("fp32", "bf16"))
    np.testing.assert_allclose(rounded.probabilities, plain.probabilities, rtol=0, atol=0.02)
    assert (rounded.probabilities != plain.probabilities).any()


def test_what_cannot_be_written_or_read_is_refused_first(model_folder, tmp_path, capsys):
    pairs = write_form(tmp_path / "pairs.parquet", many_pairs(5))
    damaged = tmp_path / "damaged.parquet"
    damaged.write_bytes(pairs.read_bytes()[:200])
    half_labelled, numbers = tmp_path / "half.parquet", tmp_path / "numbers.parquet"
    rows = pd.DataFrame(many_pairs(5), columns=["sentence1", "sentence2", "label"])
    rows.assign(label=[1, 0, None, 1, 0]).astype({"label": "Int8"}).to_parquet(half_labelled)
    rows.assign(sentence2=range(5)).to_parquet(numbers)
    rows[["sentence1"]].to_parquet(tmp_path / "one_side.parquet")
    cases = [
        (pairs, tmp_path / "out.xlsx", "written as .csv or .parquet, found '.xlsx'"),
        (pairs, pairs, "is also the input; name another"),
        (damaged, tmp_path / "out.csv", "damaged.parquet: not a readable Parquet file"),
        (half_labelled, tmp_path / "out.csv", "half.parquet:3: no label; expected 0 or 1"),
        (numbers, tmp_path / "out.csv", "numbers.parquet:1: sentence2 must be a string, found 0"),
        (tmp_path / "one_side.parquet", tmp_path / "out.csv", "one_side.parquet:1: missing key 'sentence2'"),
    ]
    before = pairs.read_bytes()
    for source, target, message in cases:
        assert predict(model_folder, source, target) == 2
        error = capsys.readouterr().err
        assert message in error and "Traceback" not in error
        assert target == pairs or not target.exists()
    assert pairs.read_bytes() == before
