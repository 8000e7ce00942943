"""No number that is not finite leaves as an answer: weights, probabilities, attributions, by every command."""

from __future__ import annotations

import json
from types import SimpleNamespace

import httpx
import numpy as np
import pytest
import torch
from conftest import TINY, call
from folder_support import change_weights, spoil, tiny_folder, tiny_gpt2_folder, tiny_masked_lm_folder
from test_v1_serve import serving
from torch import nn
from transformers import AutoModelForMaskedLM
from v1_support import pair, run_cli, write_pairs
from v1_support import tiny_classifier as contest_classifier

from final_project.cli import run_main
from final_project.data.files.predictions import write_predictions
from final_project.errors import ArtifactError, TrainingError
from final_project.model.finite import NotFinite, require_finite, weights_at_fault
from final_project.model.folder import load_classifier
from final_project.model.loading import load_start
from final_project.model.model_inputs import ModelInputs
from final_project.settings import SimilarityV0
from posttrain.fit import export
from similarity_v0.__main__ import main as v0
from similarity_v0.api import PairClassifier
from similarity_v0.export.check import compare
from similarity_v0.folds.model_soup import mean_weights
from similarity_v0.model import pair_model_from
from similarity_v1.evaluate.faithfulness import Judge
from similarity_v1.explain.explainer import Explainer

PAIRS = [("怎么开通花呗", "如何关闭花呗"), ("手机号码", "号码多少"), ("花呗", "借呗")]
BAD = {"nan": float("nan"), "inf": float("inf"), "minus inf": float("-inf")}


def overflowing(model: nn.Module) -> nn.Module:
    """Finite weights, whose answer is not: the sum of products exceeds what float32 holds."""
    model.classifier.weight.data.fill_(3e38)
    model.bert.pooler.dense.weight.data.fill_(0.0)
    model.bert.pooler.dense.bias.data.fill_(20.0)
    return model


def test_the_first_row_and_the_weight_to_blame_are_named():
    model = nn.Linear(2, 2)
    require_finite(np.zeros((2, 2)), [7, 8], model)
    with pytest.raises(NotFinite, match=r"row 8: the model's answer is not finite: all weights are finite"):
        require_finite(np.array([[0, 1], [np.inf, 0]]), [7, 8], model)
    model.bias.data[1] = torch.nan
    with pytest.raises(NotFinite, match=r"row 7: .*1 of 2 weights are not finite, the first of them bias \(1 of its 2"):
        require_finite(np.array([[0, np.nan], [np.inf, 0]]), [7, 8], model)
    assert weights_at_fault({"a": torch.tensor([1]), "b": torch.tensor([1.0])}.items()) == ""


@pytest.mark.parametrize("value", BAD)
@pytest.mark.parametrize("load", [load_classifier, PairClassifier.load, Explainer.from_folder, Judge.from_folder])
def test_a_folder_with_a_weight_that_is_not_finite_is_refused(value, load, tmp_path):
    folder = change_weights(tiny_folder(tmp_path), spoil("layer.1.output.dense.bias", BAD[value]))
    with pytest.raises(ArtifactError, match=r"the first of them bert\.encoder\.layer\.1\.output\.dense\.bias"):
        load(folder)


@pytest.mark.parametrize("architecture", ["roberta", "electra", "gpt2"])
def test_other_architectures_are_refused_alike_even_for_a_word_that_no_text_has(architecture, tmp_path):
    is_gpt2 = architecture == "gpt2"
    folder = tiny_gpt2_folder(tmp_path) if is_gpt2 else tiny_folder(tmp_path, architecture)
    change_weights(folder, spoil("wte.weight" if is_gpt2 else "word_embeddings.weight"))
    with pytest.raises(ArtifactError, match=r"1 of \d+ weights are not finite"):
        PairClassifier.load(folder)


def test_so_are_starts_and_the_parts_of_our_own(tmp_path):
    start = change_weights(tiny_masked_lm_folder(tmp_path / "start"), spoil("layer.0.attention.self.key.bias"))
    for load in (
        lambda: load_start(AutoModelForMaskedLM, start),
        lambda: pair_model_from(str(start), 1, SimilarityV0()),
        lambda: pair_model_from(str(start), 1, SimilarityV0(pool="mean")),
    ):
        with pytest.raises(ArtifactError, match=r"layer\.0\.attention\.self\.key\.bias"):
            load()
    whole = tiny_folder(tmp_path / "whole")
    model = pair_model_from(str(whole), 1, SimilarityV0(pool="attention"))
    model.classifier.classifier.bias.data[0] = torch.inf
    model.save(tmp_path / "pooled", model.state_dict())
    for file in whole.glob("tokenizer*"):
        (tmp_path / "pooled" / file.name).write_bytes(file.read_bytes())
    with pytest.raises(ArtifactError, match=r"head\.safetensors: 1 of .*classifier\.bias"):
        load_classifier(tmp_path / "pooled")


def test_a_soup_of_weights_that_are_not_finite_names_file_and_weight(tmp_path):
    good, bad = tiny_folder(tmp_path / "good"), tiny_folder(tmp_path / "bad")
    change_weights(bad, spoil("classifier.bias"))
    with pytest.raises(ArtifactError, match=r"bad/model\.safetensors: .*classifier\.bias"):
        mean_weights([good / "model.safetensors", bad / "model.safetensors"])


def test_an_answer_that_overflows_is_refused_with_its_row(tmp_path):
    folder = tiny_folder(tmp_path)
    model, tokenizer = load_classifier(folder)
    overflowing(model).save_pretrained(folder)
    said = r"row \d: the model's answer is not finite: all weights are finite"
    with pytest.raises(ArtifactError, match=said):
        PairClassifier.load(folder).predict(PAIRS)
    with pytest.raises(ArtifactError, match=said):
        Explainer(model, tokenizer).explain(PAIRS)
    with pytest.raises(ArtifactError, match="花呗 / 借呗: the model's answer is not finite"):
        Judge.from_folder(folder).probabilities(PAIRS)


class Spoilt:
    """A method whose attribution of one row, or its completeness error, is not finite."""

    needs_gradient = False

    def __init__(self, in_error: bool):
        self.in_error = in_error

    def __call__(self, probe):
        scores_BT = torch.zeros(probe.mask_BT.shape)
        error_B = torch.zeros(len(scores_BT))
        (error_B if self.in_error else scores_BT[:, 1])[-1] = torch.nan
        return SimpleNamespace(scores_BT=scores_BT, error_B=error_B, steps_B=None)


@pytest.mark.parametrize(("in_error", "what"), [(False, "attribution by Spoilt"), (True, "completeness error")])
def test_an_attribution_that_is_not_finite_is_refused(in_error, what, tmp_path):
    model, tokenizer = load_classifier(tiny_folder(tmp_path))
    with pytest.raises(NotFinite, match=rf"row \d: the model's {what} is not finite"):
        Explainer(model, tokenizer, Spoilt(in_error)).explain(PAIRS)


def test_predictions_that_are_not_finite_are_not_written(tmp_path):
    for name in ("out.csv", "out.parquet"):
        with pytest.raises(ArtifactError, match=f"{name}: not written: row 1 has no finite probability"):
            write_predictions(tmp_path / name, np.array([0.5, np.nan]), np.array([0, 1]))
        assert not (tmp_path / name).exists()


def test_a_check_of_an_export_that_is_not_finite_is_refused(tmp_path):
    _, tokenizer = load_classifier(tiny_folder(tmp_path))
    pairs = [SimpleNamespace(sentence1=a, sentence2=b, label=1) for a, b in PAIRS]

    def own(inputs):
        return np.full((len(inputs["input_ids"]), 2), 0.5)

    with pytest.raises(ArtifactError, match="row 0: the model's answer is not finite"):
        given = ModelInputs(("input_ids", "attention_mask"), tokenizer.pad_token_id, one_length=False)
        compare(own, lambda inputs: own(inputs) * np.nan, pairs, tokenizer, 32, None, given)


def test_a_post_training_that_has_diverged_exports_nothing(tmp_path):
    engine = SimpleNamespace(
        full_weights=lambda: {"a.weight": torch.tensor([1.0, torch.inf])}, world=SimpleNamespace(is_first=True)
    )
    with pytest.raises(TrainingError, match=r"nothing is exported: 1 of 1 weights are not finite.*a\.weight"):
        export(engine, None, None, SimpleNamespace(path=tmp_path), tmp_path / "model", {})
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def spoilt(tmp_path_factory):
    folder = contest_classifier(tmp_path_factory.mktemp("spoilt"))
    return change_weights(folder, spoil("layer.0.output.dense.weight"))


def test_no_command_of_explanation_answers(spoilt, tmp_path, capsys):
    pairs = write_pairs(tmp_path / "pairs.jsonl", [pair(1, *PAIRS[0]), pair(2, *PAIRS[1])])
    predictions = tmp_path / "predictions.txt"
    predictions.write_text("1\t1\t0,1\t0,1\n2\t0\t0,1\t0,1\n", encoding="utf-8")
    html, output = tmp_path / "page.html", tmp_path / "out.txt"
    for arguments in (
        ("explain", "--model", spoilt, "--json", *PAIRS[0]),
        ("explain", "--model", spoilt, "--html", html, *PAIRS[0]),
        ("extract", "--model", spoilt, "--pairs", pairs, "--output", output),
        ("extract", "--model", spoilt, "--pairs", pairs, "--output", output.with_suffix(".parquet")),
        ("evaluate", "--model", spoilt, "--pairs", pairs, "--predictions", predictions),
        ("serve", "--model", spoilt, "--port", "0"),
    ):
        status, out, err = run_cli(capsys, *arguments)
        assert (status, out) == (2, ""), arguments
        assert "layer.0.output.dense.weight" in err and "Traceback" not in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pairs.jsonl", "predictions.txt"]


def test_extract_names_the_id_of_a_row_whose_answer_overflows(tmp_path, capsys):
    folder = contest_classifier(tmp_path / "model")
    overflowing(load_classifier(folder)[0]).save_pretrained(folder)
    pairs = write_pairs(tmp_path / "pairs.jsonl", [pair(31, *PAIRS[0]), pair(32, *PAIRS[1])])
    status, _, err = run_cli(capsys, "extract", "--model", folder, "--pairs", pairs, "--output", tmp_path / "out.txt")
    assert status == 2 and "id 3" in err and "the model's answer is not finite" in err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "pairs.jsonl"]


def test_the_page_refuses_a_row_whose_answer_overflows(tmp_path):
    folder = contest_classifier(tmp_path / "model")
    overflowing(load_classifier(folder)[0]).save_pretrained(folder)
    with serving(Explainer.from_folder(folder).explain) as address:
        reply = httpx.post(f"{address}/api/explain", json={"text_a": PAIRS[0][0], "text_b": PAIRS[0][1]})
    assert reply.status_code == 422 and "not finite" in reply.json()["error"]


def test_the_commands_of_classification_neither(spoilt, tmp_path, capsys):
    pairs = tmp_path / "pairs.csv"
    pairs.write_text("sentence1,sentence2,label\n怎么开通,如何开通,1\n花呗,借呗,0\n", encoding="utf-8")
    output = tmp_path / "out.csv"
    for arguments in (
        ("predict", "--model", spoilt, "--input", pairs, "--output", output),
        ("export", "--model", spoilt, "--format", "transformers", "--output", tmp_path / "exported"),
        ("soup", "--models", spoilt, spoilt, "--output", tmp_path / "soup"),
    ):
        assert run_main(v0, [str(argument) for argument in arguments]) == 2
        assert "layer.0.output.dense.weight" in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["pairs.csv"]


@pytest.mark.parametrize(("stage", "init"), [("posttrain", "encoder.init"), ("similarity_v0", "similarity_v0.init")])
def test_a_run_that_starts_from_such_weights_exports_nothing(stage, init, prepared, copy_of, tmp_path):
    start = change_weights(tiny_masked_lm_folder(tmp_path / "start"), spoil("layer.0.output.dense.weight"))
    runs = copy_of(prepared)
    overrides = (*TINY, f"runs_dir={runs}", f"{init}={start}", f"{stage}.max_length=32")
    done = call(stage, "--recipe", "demo", "--", *overrides)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "the first of them bert.encoder.layer.0.output.dense.weight" in done.stderr
    assert not list((runs / "demo" / stage).rglob("*.safetensors"))
    assert json.loads((runs / "demo" / "prepare" / "manifest.json").read_text())
