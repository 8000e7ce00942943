"""Pairs of neighbouring tokens: what they add to an embedding, and that a saved folder keeps them."""

from __future__ import annotations

import shutil
from itertools import pairwise

import numpy as np
import pytest
import torch
from conftest import call
from safetensors.torch import load_file, save_file
from transformers import AutoModelForSequenceClassification

from final_project.errors import ArtifactError
from final_project.model.encoder import masked_lm_from_scratch
from final_project.model.folder import load_classifier
from final_project.recipe import load_recipe
from final_project.tokens.packing import pack_rows
from final_project.tokens.token_table import TokenRows
from final_project.tokens.tokenizer import build_tokenizer
from similarity_v1.explain.encoding import EncodedRow
from similarity_v1.explain.probe import Reading, probing

TEXTS = [("今天天气很好", "天气今天不好"), ("一", "一二三一"), ("完全不同", "毫无相似")]
SMALL = ("n_layers=2", "hidden_size=32", "n_heads=2", "intermediate_size=64", "max_positions=64", "dropout=0")
BUCKETS = 50


def encoder_settings(*more: str):
    return load_recipe("demo", [f"encoder.{setting}" for setting in (*SMALL, *more)]).encoder


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer((text for pair in TEXTS for text in pair), 64, "the test's text")


@pytest.fixture
def model(tokenizer):
    """A random encoder whose pairs have random vectors."""
    settings = encoder_settings(f"ngram_buckets={BUCKETS}")
    model = masked_lm_from_scratch(settings, tokenizer, seed=1).eval()
    with torch.no_grad():
        model.get_input_embeddings().ngrams.weight[1:].normal_()
    return model


def embedded_by_hand(words, ids: list[int], borders: set[int]) -> np.ndarray:
    """One row in float64, token by token, with Python's integers."""
    word, table = (weight.detach().double().numpy() for weight in (words.weight, words.ngrams.weight))
    sums = [word[token].copy() for token in ids]
    for at, (left, right) in enumerate(pairwise(ids)):
        if right not in borders:
            vector = table[1 + (left * 1_000_003 + right) * 48_271 % (2**31 - 1) % (BUCKETS - 1)]
            sums[at] += vector
            sums[at + 1] += vector
    return np.stack(sums)


@pytest.mark.parametrize("pair", TEXTS)
def test_a_token_is_its_word_and_the_two_pairs_it_is_part_of(tokenizer, model, pair):
    ids = tokenizer(*pair)["input_ids"]
    expected = embedded_by_hand(model.get_input_embeddings(), ids, {tokenizer.cls_token_id, tokenizer.pad_token_id})
    found = model.get_input_embeddings()(torch.tensor([ids]))[0]
    np.testing.assert_allclose(found.detach().numpy(), expected, atol=1e-5)


def test_padding_adds_no_pair(tokenizer, model):
    words = model.get_input_embeddings()
    batch = tokenizer(*map(list, zip(*TEXTS, strict=True)), padding=True, return_tensors="pt")["input_ids"]
    for row, pair in zip(batch, TEXTS, strict=True):
        alone = tokenizer(*pair, return_tensors="pt")["input_ids"]
        torch.testing.assert_close(words(row[None])[:, : alone.shape[1]], words(alone))


def test_rows_packed_into_a_line_are_embedded_as_if_alone(tokenizer, model):
    words = model.get_input_embeddings()
    rows = [tokenizer(*pair) for pair in TEXTS]
    lengths, numbers = np.array([len(row["input_ids"]) for row in rows]), np.arange(len(rows))
    flat = {key: np.concatenate([row[key] for row in rows]) for key in ("input_ids", "token_type_ids")}
    packed = pack_rows(TokenRows(numbers, lengths, numbers, flat["input_ids"], flat["token_type_ids"], None), 64, 0)
    together = words(packed.inputs["input_ids"]).flatten(0, 1)[torch.from_numpy(packed.slots_N)]
    torch.testing.assert_close(together, torch.cat([words(torch.tensor([row["input_ids"]]))[0] for row in rows]))


def test_a_row_of_one_token_has_no_pair(model):
    words = model.get_input_embeddings()
    assert torch.equal(words(torch.tensor([[7]]))[0], words.weight[7:8])


def test_an_encoder_with_pairs_starts_as_one_without(tokenizer):
    plain = masked_lm_from_scratch(encoder_settings(), tokenizer, seed=1).eval()
    paired = masked_lm_from_scratch(encoder_settings(f"ngram_buckets={BUCKETS}"), tokenizer, seed=1).eval()
    batch = tokenizer(*TEXTS[0], return_tensors="pt")
    assert torch.equal(plain(**batch).logits, paired(**batch).logits)
    assert paired.get_output_embeddings().weight is paired.get_input_embeddings().weight


@pytest.mark.stage
def test_an_encoder_that_is_given_cannot_be_given_pairs(tmp_path):
    done = call("posttrain", "--recipe", "demo", "--", f"encoder.init={tmp_path}", "encoder.ngram_buckets=9")
    assert done.returncode == 2 and "ngram_buckets: 9 needs init: scratch" in done.stderr


@pytest.fixture(scope="module")
def trained(prepared, tmp_path_factory):
    """similarity_v0's model of a run of two stages."""
    runs = tmp_path_factory.mktemp("ngrams")
    (runs / "demo").mkdir()
    (runs / "demo" / "prepare").symlink_to(prepared / "demo" / "prepare")
    settings = [f"encoder.{setting}" for setting in (*SMALL, f"ngram_buckets={BUCKETS}")]
    settings += [f"{stage}.epochs=1" for stage in ("posttrain", "similarity_v0")]
    for stage in ("posttrain", "similarity_v0"):
        done = call(stage, "--recipe", "demo", "--", *settings, "prepare.demo_pairs=400", f"runs_dir={runs}")
        assert done.returncode == 0, done.stderr
        assert "UNEXPECTED" not in done.stderr
    return runs / "demo"


def table_in(folder) -> torch.Tensor:
    return load_file(folder / "model.safetensors")["bert.embeddings.word_embeddings.ngrams.weight"]


def test_both_stages_train_the_pairs_and_the_folder_keeps_them(trained):
    folder = trained / "similarity_v0" / "result" / "model"
    begun = table_in(trained / "posttrain" / "posttrain_models" / "scratch_1ep")
    model, tokenizer = load_classifier(folder)
    table = model.get_input_embeddings().ngrams.weight
    assert torch.equal(table, table_in(folder)) and not table[0].any()
    assert (begun != 0).any(1).sum() > BUCKETS / 2 and not torch.equal(begun, table)
    plain, report = AutoModelForSequenceClassification.from_pretrained(str(folder), output_loading_info=True)
    assert not report["missing_keys"] and all(".ngrams." in name for name in report["unexpected_keys"])
    assert "loses its pairs of neighbours" in (folder / "README.md").read_text(encoding="utf-8")
    batch = tokenizer(*TEXTS[0], return_tensors="pt")
    with torch.no_grad():
        assert not torch.equal(model(**batch).logits, plain(**batch).logits)


def test_our_own_parts_are_not_reported_as_unexpected(trained, caplog):
    load_classifier(trained / "similarity_v0" / "result" / "model")
    assert "UNEXPECTED" not in caplog.text


@pytest.mark.parametrize("damage", ["lacks", "shape"])
def test_a_folder_without_its_table_is_refused(trained, tmp_path, damage):
    folder = shutil.copytree(trained / "similarity_v0" / "result" / "model", tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    name = next(name for name in weights if name.endswith("ngrams.weight"))
    weights = {key: value for key, value in weights.items() if key != name}
    if damage == "shape":
        weights[name] = torch.zeros(BUCKETS + 1, 32)
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ArtifactError, match="has ngrams, but the weights lack"):
        load_classifier(folder)


def test_the_mask_baseline_knows_no_pair_of_the_text(trained):
    """Two texts of one length differ in nothing once every token is masked."""
    model, tokenizer = load_classifier(trained / "similarity_v0" / "result" / "model")

    def baseline(first: str, second: str) -> torch.Tensor:
        inputs = dict(tokenizer(first, second, return_tensors="pt"))
        sides = [None, *[0] * len(first), None, *[1] * len(second), None]
        row = EncodedRow({}, sides, [], (), truncated=False, seed=0)
        reading = Reading(token_ids={"mask": tokenizer.mask_token_id})
        with probing(model, inputs, [row], reading, with_gradient=False) as probe:
            return probe.baseline("mask")

    assert torch.equal(baseline("怎么改密码", "如何修改"), baseline("我的花呗在", "不能还款"))
