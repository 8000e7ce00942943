"""Classifiers that answer with scores: which of several is explained, and what everything that shows it says."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from test_v1_serve import serving
from tiny_models import tiny_sequence_classifier, tiny_tokenizer
from v1_support import pair, run_cli, write_pairs

from similarity_v1.explain.explainer import Explainer
from similarity_v1.explain.explanation import explanation_html, explanation_record
from similarity_v1.explain.terminal import explanation_json
from similarity_v1.rationales.selection import Selection

PAIR = ("怎么开通花呗", "如何关闭花呗")
NAMES = {0: "fluency", 1: "adequacy", 2: "style"}
HALF = Selection("ratio", 0.5)

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def tokenizer():
    return tiny_tokenizer("wordpiece_lower")


@pytest.fixture(scope="module")
def model(tokenizer):
    return tiny_sequence_classifier("bert", tokenizer, num_labels=3, problem_type="regression", id2label=NAMES)


@pytest.fixture(scope="module")
def folder(model, tokenizer, tmp_path_factory):
    folder = tmp_path_factory.mktemp("regression")
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def outputs(model, tokenizer):
    with torch.no_grad():
        return model(**tokenizer(*PAIR, return_tensors="pt")).logits[0].numpy()


@pytest.mark.parametrize("target", [0, 1, 2])
def test_the_score_is_the_output_that_is_explained(model, tokenizer, outputs, target):
    """With leave-one-out by hand: what the words move is this output, and no other."""
    (found,) = Explainer(model, tokenizer, "leave_one_out", target=target, baseline="mask").explain([PAIR])
    assert found.score == pytest.approx(outputs[target], abs=1e-6) and found.label_name == NAMES[target]
    np.testing.assert_allclose(found.outputs, outputs, atol=1e-6)
    assert found.label is None and found.probability is None and found.probabilities == ()
    inputs = tokenizer(*PAIR, return_tensors="pt")
    inputs["input_ids"][0, 1] = tokenizer.mask_token_id
    with torch.no_grad():
        without_first = float(model(**inputs).logits[0, target])
    assert found.scores[0][0] == pytest.approx(outputs[target] - without_first, abs=1e-5)


def test_predicted_is_the_highest_output_and_both_the_difference_to_the_next(model, tokenizer, outputs):
    second, first = np.argsort(outputs)[-2:]
    (highest,) = Explainer(model, tokenizer).explain([PAIR])
    assert highest.score == pytest.approx(outputs[first], abs=1e-6) and highest.label_name == NAMES[first]
    (both,) = Explainer(model, tokenizer, target="both").explain([PAIR])
    assert both.score == pytest.approx(outputs[first] - outputs[second], abs=1e-6)
    assert both.label_name == f"{NAMES[first]} less {NAMES[second]}"


def test_a_single_score_is_called_score(tokenizer):
    (found,) = Explainer(tiny_sequence_classifier("bert", tokenizer, num_labels=1), tokenizer).explain([PAIR])
    assert found.label_name == "score" and found.outputs == (found.score,)


def test_classes_have_no_outputs(tokenizer):
    (found,) = Explainer(tiny_sequence_classifier("bert", tokenizer), tokenizer, target=1).explain([PAIR])
    assert found.outputs == () and found.score is None


def test_terminal_and_json_say_which_score_it_is(folder, outputs, tmp_path, capsys):
    given = ("explain", "--model", folder, "--target", "1", *PAIR)
    status, out, _ = run_cli(capsys, *given)
    assert status == 0 and f"score of adequacy {outputs[1]:.4g} (all outputs: {outputs[0]:.4g}, " in out
    status, out, _ = run_cli(capsys, *given, "--json")
    told = json.loads(out)
    assert told["label_name"] == "adequacy" and told["score"] == pytest.approx(outputs[1], abs=1e-6)
    assert told["outputs"] == pytest.approx(outputs.tolist(), abs=1e-6)
    status, _, _ = run_cli(capsys, *given, "--html", tmp_path / "page.html")
    assert status == 0 and "adequacy" in (tmp_path / "page.html").read_text(encoding="utf-8")


def test_pages_and_notebooks_carry_its_name(model, tokenizer):
    (found,) = Explainer(model, tokenizer, target=1).explain([PAIR])
    assert f"score of adequacy {found.score:.4g}" in explanation_html(found)
    record = explanation_record(found, HALF)
    assert record["name"] == "adequacy" and record["score"] == found.score
    assert "score of" not in explanation_html(replace(found, outputs=(1.0,), label_name="score"))


@pytest.mark.stage
def test_the_local_page_answers_it_in_its_schema(model, tokenizer):
    httpx = pytest.importorskip("httpx")
    explainer = Explainer(model, tokenizer, target=2)
    (wanted,) = explainer.explain([PAIR])
    with serving(explainer.explain) as address:
        told = httpx.post(f"{address}/api/explain", json=dict(zip(("text_a", "text_b"), PAIR, strict=True))).json()
        schema = httpx.get(f"{address}/openapi.json").json()["components"]["schemas"]["Answer"]
    assert told == explanation_json(wanted, HALF) and told["score"] == wanted.score
    assert set(schema["properties"]) == set(told) == set(schema["required"])


def test_extract_refuses_two_scores_as_it_refuses_three_classes(tokenizer, tmp_path, capsys):
    model = tiny_sequence_classifier("bert", tokenizer, num_labels=2, problem_type="regression")
    model.save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    pairs = write_pairs(tmp_path / "pairs.jsonl", [pair(1, *PAIR)])
    given = ("--model", tmp_path / "model", "--pairs", pairs, "--output", tmp_path / "rows.txt")
    status, _, said = run_cli(capsys, "extract", *given)
    assert status == 2 and "this model gives 2 scores" in said and "Traceback" not in said
    assert not (tmp_path / "rows.txt").exists()
