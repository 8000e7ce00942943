"""Training starts from pretrained folders with their own tokenizers: pairs, packing, explanations, missing heads."""

from __future__ import annotations

import logging
import math

import pytest
import torch
from folder_support import tiny_folder, tiny_masked_lm_folder, write_folder
from q4_support import write_tiny_q4
from tiny_models import ARCHITECTURES, tiny_sequence_classifier, tiny_tokenizer
from transformers import AutoTokenizer

from final_project.model.folder import load_tokenizer
from final_project.recipe import load_recipe
from final_project.settings import SimilarityV0
from final_project.tokens.encode import encode_rows
from final_project.tokens.packing import first_position_of
from final_project.tokens.token_table import open_token_table, pad_rows, write_token_table
from final_project.weights.e5_small import encoder_of, tokenizer_of
from final_project.weights.local_folder import Pretrained
from final_project.weights.q4_file import Q4File
from final_project.weights.writing import write_weights
from posttrain.fit import start_model
from similarity_v0.batches import Lines, packed_inputs
from similarity_v0.model import pair_model_from
from similarity_v1.explain.explainer import Explainer

PAIRS = [("怎么退货", "退货怎么"), ("a 1", "怎么。…b"), ("退" * 30, "货" * 9), ("b", "退货")]


def e5_folder(folder):
    write_tiny_q4(folder.with_suffix(".bin"))
    file = Q4File(folder.with_suffix(".bin"))
    write_weights(folder, Pretrained(encoder_of(file), tokenizer_of(file.pieces, file.sizes.positions)), {})
    return folder


def folder_of(kind: str, folder):
    if kind == "e5":
        return e5_folder(folder)
    tokenizer = tiny_tokenizer(kind, ["".join(pair) for pair in PAIRS])
    architecture = {"byte_bpe": "roberta", "unigram": "xlm-roberta"}.get(kind, "bert")
    return write_folder(folder, tiny_sequence_classifier(architecture, tokenizer), tokenizer)


@pytest.mark.parametrize("kind", ["e5", "wordpiece_lower", "byte_bpe", "unigram", "character"])
@pytest.mark.parametrize("max_length", [12, 20])
def test_pairs_have_the_tokens_and_types_of_the_librarys_own_call(kind, max_length, tmp_path):
    folder = folder_of(kind, tmp_path / "start")
    library = AutoTokenizer.from_pretrained(folder)
    for pair, encoded in zip(PAIRS, encode_rows(load_tokenizer(folder), PAIRS, max_length), strict=True):
        options = {"truncation": "longest_first", "max_length": max_length, "return_token_type_ids": True}
        expected = library(*pair, **options)
        assert encoded.input_ids == expected["input_ids"]
        assert encoded.token_type_ids == expected["token_type_ids"]


@pytest.mark.parametrize("pool", ["cls", "mean"])
@pytest.mark.parametrize("kind", ["e5", "unigram"])
def test_packed_pairs_have_the_answers_of_pairs_alone(kind, pool, tmp_path):
    folder = folder_of(kind, tmp_path / "start")
    model = pair_model_from(str(folder), 0, SimilarityV0(pool=pool)).eval()
    tokenizer = load_tokenizer(folder)
    write_token_table(((*pair, 1) for pair in PAIRS), tokenizer, 20, tmp_path / "tokens")
    rows = open_token_table(tmp_path / "tokens")[torch.arange(len(PAIRS)).numpy()]
    lines = Lines(24, first_position_of(model.classifier.config))
    device = torch.device("cpu")
    with torch.no_grad():
        alone_BC = model(**pad_rows(rows, tokenizer.pad_token_id, device))
        packed_BC = model(**packed_inputs(rows, tokenizer.pad_token_id, device, lines))
    torch.testing.assert_close(packed_BC, alone_BC, rtol=1e-5, atol=1e-6)


def test_an_encoder_without_a_head_is_post_trained_only_with_a_warning(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    folder = e5_folder(tmp_path / "e5")

    def start(place, *overrides):
        caplog.clear()
        recipe = load_recipe("demo", [f"encoder.init={place}", "posttrain.max_length=20", *overrides])
        _, model = start_model(recipe, tmp_path / "text.tsv")
        return model, caplog.text

    model, said = start(folder)
    assert "WARNING: it has no masked-LM head" in said
    assert "posttrain.epochs=0" in said
    assert model.cls.predictions.decoder.weight is model.get_input_embeddings().weight
    assert "WARNING" not in start(folder, "posttrain.epochs=0")[1]
    assert "WARNING" not in start(tiny_masked_lm_folder(tmp_path / "whole"))[1]


@pytest.mark.parametrize("architecture", sorted({*ARCHITECTURES} - {"deberta"}))  # deberta: refused, it has no sdpa
def test_each_architecture_without_a_head_is_warned_of(architecture, tmp_path, caplog):
    folder = tiny_folder(tmp_path / "start", architecture)
    recipe = load_recipe("demo", [f"encoder.init={folder}"])
    start_model(recipe, tmp_path / "text.tsv")
    assert "WARNING: it has no masked-LM head" in caplog.text


def test_a_classifier_on_such_an_encoder_explains_every_word(tmp_path):
    folder = e5_folder(tmp_path / "e5")
    model = pair_model_from(str(folder), 0, SimilarityV0())
    model.save(tmp_path / "classifier", model.state_dict())
    load_tokenizer(folder).save_pretrained(tmp_path / "classifier")
    (explanation,) = Explainer.from_folder(tmp_path / "classifier").explain([("怎么 退货", "ａ…b")])
    assert explanation.words[0] == ("怎", "么", "退", "货")
    assert all(len(words) == len(scores) for words, scores in zip(explanation.words, explanation.scores, strict=True))
    assert all(math.isfinite(score) for scores in explanation.scores for score in scores)
    assert all(any(scores) for scores in explanation.scores), "each text has a word that counts"
