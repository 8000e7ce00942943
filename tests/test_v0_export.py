"""Exports answer as the folder that they were made of, in the libraries that load them; and what a model card says."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from tiny_models import tiny_config, tiny_masked_lm
from transformers import BertForSequenceClassification, pipeline

from final_project.data.demo.pairs import build_demo
from final_project.errors import ArtifactError, DataError
from final_project.model.bigram_embedding import describe_ngrams
from final_project.model.custom_parts import add_custom_embeddings
from final_project.model.decision import Decision, probabilities_of
from final_project.model.folder import load_classifier
from final_project.model.match_types import describe_matches
from final_project.recipe import load_recipe
from final_project.settings import SimilarityV0
from final_project.tokens.tokenizer import build_tokenizer
from similarity_v0.__main__ import main
from similarity_v0.export.model_card import escaped, exported_card, last_part, model_card
from similarity_v0.export.onnx import onnx_scorer
from similarity_v0.model import pair_model_from

PAIRS = build_demo(100, 5).train[:40]
LONG = ("借" * 40, "还" * 3)
LONGEST = 24


def classifier_folder(folder: Path, **settings) -> Path:
    """A random classifier whose probabilities differ from pair to pair, its tokenizer and its decision."""
    tokenizer = build_tokenizer((text for pair in PAIRS for text in (pair.sentence1, pair.sentence2)), 200)
    tokenizer.model_max_length = LONGEST
    own, n_layers = settings.pop("own_parts", False), settings.pop("n_layers", 2)
    parts = {"match_types": describe_matches(tokenizer), "ngrams": describe_ngrams(tokenizer, 50)}
    more = {"type_vocab_size": 4, **parts} if own else {}
    more |= {"vocab_size": len(tokenizer), "num_hidden_layers": n_layers}
    start = add_custom_embeddings(tiny_masked_lm(initializer_range=0.2, **more), None)
    if own:
        start.get_input_embeddings().ngrams.weight.data.normal_(std=0.2)
    start.save_pretrained(folder / "start")
    tokenizer.save_pretrained(folder / "start")
    model = pair_model_from(str(folder / "start"), 3, SimilarityV0(**settings))
    inputs = tokenizer(*map(list, zip(*texts(), strict=True)), truncation=True, padding=True, return_tensors="pt")
    with torch.no_grad():
        logits_BC = model.eval()(**inputs)
        model.output_layer.weight *= 1 / logits_BC.std(0)[:, None]
        model.output_layer.bias -= model(**inputs).mean(0)
    model.save(folder / "model", model.state_dict())
    tokenizer.save_pretrained(folder / "model")
    Decision(0.4).save(folder / "model")
    return folder / "model"


@pytest.fixture(scope="module")
def standard(tmp_path_factory) -> Path:
    return classifier_folder(tmp_path_factory.mktemp("standard"))


@pytest.fixture(scope="module")
def one_target(tmp_path_factory) -> Path:
    return classifier_folder(tmp_path_factory.mktemp("one_target"), n_outputs=1, loss="bce")


@pytest.fixture(scope="module")
def attention(tmp_path_factory) -> Path:
    return classifier_folder(tmp_path_factory.mktemp("attention"), pool="attention", own_parts=True)


@pytest.fixture(scope="module")
def labelled(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("pairs") / "pairs.csv"
    lines = [f"{pair.sentence1},{pair.sentence2},{pair.label}" for pair in PAIRS]
    path.write_text("\n".join(["sentence1,sentence2,label", *lines]) + "\n", encoding="utf-8")
    return path


def positive(folder: Path, pairs: list[tuple[str, str]]) -> np.ndarray:
    """P(1) of pairs, each alone, cut as the tokenizer says."""
    model, tokenizer = load_classifier(folder)
    with torch.no_grad():
        inputs = [tokenizer([a], [b], truncation="longest_first", return_tensors="pt") for a, b in pairs]
        return np.array([probabilities_of(model(**each).logits)[0, 1] for each in inputs])


def exported(model: Path, form: str, folder: Path, *more: str) -> Path:
    main(["export", "--model", str(model), "--format", form, "--output", str(folder / form), *more])
    return folder / form


def texts() -> list[tuple[str, str]]:
    return [(pair.sentence1, pair.sentence2) for pair in PAIRS] + [LONG]


@pytest.mark.parametrize("name", ["standard", "one_target"])
def test_a_pipeline_gives_the_probabilities_of_the_transformers_folder(name, request, tmp_path):
    model = request.getfixturevalue(name)
    expected = positive(model, texts())
    assert expected.std() > 0.01
    classify = pipeline("text-classification", model=str(exported(model, "transformers", tmp_path)), top_k=None)
    for (first, second), probability in zip(texts(), expected, strict=True):
        answers = classify({"text": first, "text_pair": second}, truncation=True)
        assert {answer["label"]: answer["score"] for answer in answers}["same"] == pytest.approx(probability, abs=1e-5)


@pytest.mark.parametrize("name", ["standard", "one_target"])
def test_a_cross_encoder_gives_the_probability_of_the_same_meaning(name, request, tmp_path):
    from sentence_transformers import CrossEncoder

    model = request.getfixturevalue(name)
    cross = CrossEncoder(str(exported(model, "cross-encoder", tmp_path)), device="cpu")
    assert cross.num_labels == 1
    np.testing.assert_allclose(cross.predict(texts()), positive(model, texts()), rtol=0, atol=1e-5)
    ranked = cross.rank(PAIRS[0].sentence1, [pair.sentence2 for pair in PAIRS[:5]])
    assert len(ranked) == 5


def test_the_stages_own_folder_is_a_cross_encoder_of_two_labels(standard):
    from sentence_transformers import CrossEncoder

    scores = CrossEncoder(str(standard), device="cpu").predict(texts(), apply_softmax=True)
    np.testing.assert_allclose(scores[:, 1], positive(standard, texts()), rtol=0, atol=1e-5)


@pytest.mark.stage
@pytest.mark.parametrize("name", ["standard", "attention"])
def test_onnx_answers_batches_of_any_size_and_length(name, request, tmp_path):
    model = request.getfixturevalue(name)
    score = onnx_scorer(exported(model, "onnx", tmp_path))
    classifier, tokenizer = load_classifier(model)
    for pairs in (texts()[:1], texts()[:2], texts()[:7], texts(), [("借", "还")], [LONG, LONG]):
        inputs = tokenizer(*map(list, zip(*pairs, strict=True)), truncation=True, padding=True, return_tensors="pt")
        with torch.no_grad():
            expected = probabilities_of(classifier(**inputs).logits)
        np.testing.assert_allclose(score(dict(inputs)), expected, rtol=0, atol=1e-4)


@pytest.mark.stage
def test_the_cost_of_int8_is_measured_side_by_side(one_target, labelled, tmp_path, capsys):
    import onnx

    folder = exported(one_target, "int8", tmp_path, "--check", str(labelled))
    answer = json.loads(capsys.readouterr().out)
    check = answer["check"]
    assert answer["format"] == "int8" and check["rows"] == len(PAIRS)
    assert 0 < check["largest_difference"] < 0.2
    truth = np.array([pair.label for pair in PAIRS])
    decided = positive(one_target, texts()[:-1]) >= 0.4
    assert check["accuracy"]["own"] == pytest.approx((decided == truth).mean())
    assert check["speed_ratio"] == pytest.approx(
        check["pairs_per_second"]["exported"] / check["pairs_per_second"]["own"], rel=0.01
    )
    kinds = [node.op_type for node in onnx.load(folder / "model.onnx").graph.node]
    assert kinds.count("MatMulInteger") == 2 * 6 + 2, "all matrix products of two layers, the pooler and the head"


@pytest.mark.parametrize("form", ["transformers", "cross-encoder"])
def test_what_transformers_would_lose_is_refused(form, attention, tmp_path):
    with pytest.raises(ArtifactError, match="would lose its attention pool: export onnx or int8"):
        exported(attention, form, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_parts_of_our_own_are_refused_where_they_would_be_lost(tmp_path):
    model = classifier_folder(tmp_path / "made", own_parts=True)
    with pytest.raises(ArtifactError, match="would lose its match types and its pairs of neighbours"):
        exported(model, "transformers", tmp_path / "out")


def test_a_folder_that_is_there_is_not_written_over(standard, tmp_path):
    (tmp_path / "onnx").mkdir()
    (tmp_path / "onnx" / "mine.txt").write_text("precious")
    with pytest.raises(ArtifactError, match="already exists; name a new folder"):
        exported(standard, "onnx", tmp_path)
    assert [path.name for path in (tmp_path / "onnx").iterdir()] == ["mine.txt"]


def test_a_check_on_pairs_without_labels_is_refused_before_anything_is_written(standard, tmp_path):
    (tmp_path / "pairs.csv").write_text("sentence1,sentence2\n借钱,还钱\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"pairs.csv: a check needs pairs, and a label on every row"):
        exported(standard, "transformers", tmp_path / "out", "--check", str(tmp_path / "pairs.csv"))
    assert not (tmp_path / "out").exists()


# --- model cards ------------------------------------------------------------------------------------------------------

SCORES = {"dev": {"accuracy": 0.91234, "threshold": 0.4}, "test": {"accuracy": 0.9, "threshold": 0.4}}
ROWS = {"train": 100, "dev": 20}


def card_of(*overrides: str, own: Sequence[str] = ()) -> str:
    return model_card(load_recipe("demo", list(overrides)), SCORES, Decision(0.4), ROWS, own)


def loaded(text: str, folder: Path):
    from huggingface_hub import ModelCard

    (folder / "README.md").write_text(text, encoding="utf-8")
    return ModelCard.load(folder / "README.md")


def test_a_model_card_loads_and_states_data_scores_threshold_loading_and_limits(tmp_path):
    card = loaded(card_of(), tmp_path)
    assert card.data.library_name == "transformers" and card.data.language == ["zh"]
    for words in ("100 pairs of train", "0.9123", "P(1) >= 0.4", "PairClassifier.load", "## Limits", "transformers 5"):
        assert words in card.text


@pytest.mark.parametrize("form", ["transformers", "cross-encoder", "onnx", "int8", "soup"])
def test_an_exports_card_loads_too(form, tmp_path):
    card = loaded(exported_card(form, Decision()), tmp_path)
    assert "How to load it" in card.text and "higher probability" in card.text


def test_a_card_names_no_path_of_this_machine_and_escapes_what_others_wrote():
    text = card_of("similarity_v0.init=/home/someone/models/base-model", "name=<b>x</b> | *y*")
    assert "/home" not in text and "base-model" in text
    assert "<b>" not in text and r"\*y\*" in text


def test_a_card_says_what_a_plain_loader_loses():
    assert "loses this head" in card_of("similarity_v0.pool=mean")
    assert "loses" not in card_of()
    told = card_of(own=["its match types", "its pairs of neighbours"])
    assert "loses its match types and its pairs of neighbours, without which" in told
    assert "the same probabilities" in card_of() and "the same probabilities" not in told


def test_names_keep_their_hub_owner_and_lose_their_folders():
    assert last_part("hfl/chinese-roberta-wwm-ext-large") == "hfl/chinese-roberta-wwm-ext-large"
    assert last_part("/data/models/base/") == "base"
    assert last_part("../models/base") == "base"
    assert escaped("a\nb|c") == r"a b\|c"


def test_a_folder_of_another_project_is_exported_too(tmp_path):
    """A folder that this project has not written: a standard class with a tokenizer beside it."""
    tokenizer = build_tokenizer(["你好吗", "天气不错"], 60)
    BertForSequenceClassification(tiny_config(vocab_size=len(tokenizer))).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    folder = exported(tmp_path / "model", "cross-encoder", tmp_path)
    np.testing.assert_allclose(
        positive(folder, [("你好", "你好吗")]), positive(tmp_path / "model", [("你好", "你好吗")]), atol=1e-6
    )


@pytest.mark.stage
def test_a_check_asks_each_pair_alone_too_and_the_card_says_what_it_found(one_target, labelled, tmp_path, capsys):
    folder = exported(one_target, "int8", tmp_path, "--check", str(labelled))
    moved = json.loads(capsys.readouterr().out)["check"]["alone_and_in_a_batch"]
    assert moved["rows"] == len(PAIRS) and 0 <= moved["labels_that_differ"] <= len(PAIRS)
    assert 0 < moved["largest_difference"] < 0.2, "scales of activations follow the batch"
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "by the range of the whole batch" in card
    assert f"of {len(PAIRS)} pairs {moved['labels_that_differ']} have another label alone than in a batch" in card
    folder = exported(one_target, "onnx", tmp_path, "--check", str(labelled))
    moved = json.loads(capsys.readouterr().out)["check"]["alone_and_in_a_batch"]
    assert moved["labels_that_differ"] == 0 and moved["largest_difference"] < 1e-5
    card = (folder / "README.md").read_text(encoding="utf-8")
    assert "0 have another label alone" in card and "by the range of the whole batch" not in card


def test_an_int8_card_warns_of_batches_without_a_check_too():
    assert "by the range of the whole batch" in exported_card("int8", Decision())
    for form in ("transformers", "cross-encoder", "onnx", "soup"):
        assert "Alone and in a batch" not in exported_card(form, Decision())
