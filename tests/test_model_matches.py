"""Match types: which tokens the other text has, too, told by token types; found in the ids, kept in the config."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import call
from safetensors.torch import load_file
from transformers import AutoModelForSequenceClassification

from final_project.model.encoder import masked_lm_from_scratch
from final_project.model.folder import load_classifier
from final_project.model.match_types import describe_matches, match_types
from final_project.recipe import load_recipe
from final_project.tokens.packing import pack_rows
from final_project.tokens.token_table import TokenRows
from final_project.tokens.tokenizer import build_tokenizer

TEXTS = [("今天天气很好", "天气今天不好"), ("一", "一二三一"), ("完全不同", "毫无相似")]
SMALL = ("n_layers=2", "hidden_size=32", "n_heads=2", "intermediate_size=64", "max_positions=64", "match_types=true")


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer((text for pair in TEXTS for text in pair), 64, "the test's text")


def types_of(tokenizer, first: str, second: str) -> list[int]:
    """Read off the texts themselves."""
    in_first = [2 if char in second else 0 for char in first]
    return [0, *in_first, 0, *[3 if char in first else 1 for char in second], 1]


def found(tokenizer, pairs) -> torch.Tensor:
    batch = tokenizer(*map(list, zip(*pairs, strict=True)), padding=True, return_tensors="pt")
    return match_types(batch["input_ids"], batch["token_type_ids"], **describe_matches(tokenizer))


@pytest.mark.parametrize("pair", TEXTS)
def test_a_character_that_the_other_text_has_gets_a_type_of_its_own(tokenizer, pair):
    assert found(tokenizer, [pair])[0].tolist() == types_of(tokenizer, *pair)


def test_special_and_masked_tokens_match_nothing(tokenizer):
    assert found(tokenizer, [("[MASK]好", "[MASK]好[UNK]")])[0].tolist() == [0, 0, 2, 0, 1, 3, 1, 1]


def test_padding_and_neighbours_change_no_type(tokenizer):
    together = found(tokenizer, TEXTS)
    for row, pair in zip(together, TEXTS, strict=True):
        expected = types_of(tokenizer, *pair)
        assert row[: len(expected)].tolist() == expected and not row[len(expected) :].any()


def test_rows_packed_into_a_line_match_within_themselves_only(tokenizer):
    rows = [tokenizer(*pair) for pair in TEXTS]
    lengths = np.array([len(row["input_ids"]) for row in rows])
    flat = {key: np.concatenate([row[key] for row in rows]) for key in ("input_ids", "token_type_ids")}
    numbers = np.arange(len(rows))
    token_rows = TokenRows(numbers, lengths, numbers, flat["input_ids"], flat["token_type_ids"], None)
    packed = pack_rows(token_rows, 64, tokenizer.pad_token_id)
    types = match_types(
        packed.inputs["input_ids"], packed.inputs["token_type_ids"], **describe_matches(tokenizer)
    ).flatten()
    expected = np.concatenate([types_of(tokenizer, *pair) for pair in TEXTS])
    assert types[torch.from_numpy(packed.slots_N)].tolist() == expected.tolist()


def test_the_model_looks_its_matches_up_itself(tokenizer):
    model = masked_lm_from_scratch(load_recipe("demo", [f"encoder.{s}" for s in SMALL]).encoder, tokenizer, seed=1)
    seen = []
    table = model.bert.embeddings.token_type_embeddings
    table.register_forward_hook(lambda module, given, output: seen.append(given[0]))
    model(**tokenizer(*TEXTS[0], return_tensors="pt"))
    assert model.config.type_vocab_size == 4 and seen[0][0].tolist() == types_of(tokenizer, *TEXTS[0])


@pytest.fixture(scope="module")
def trained(prepared, tmp_path_factory):
    runs = tmp_path_factory.mktemp("matches")
    (runs / "demo").mkdir()
    (runs / "demo" / "prepare").symlink_to(prepared / "demo" / "prepare")
    settings = [f"encoder.{setting}" for setting in SMALL]
    settings += [f"{stage}.epochs=1" for stage in ("posttrain", "similarity_v0")]
    for stage in ("posttrain", "similarity_v0"):
        done = call(stage, "--recipe", "demo", "--", *settings, "prepare.demo_pairs=400", f"runs_dir={runs}")
        assert done.returncode == 0, done.stderr
    return runs / "demo" / "similarity_v0" / "result" / "model"


def test_a_saved_folder_keeps_its_matches_and_stays_one_that_others_load(trained):
    ours, tokenizer = load_classifier(trained)
    plain, report = AutoModelForSequenceClassification.from_pretrained(str(trained), output_loading_info=True)
    assert not report["missing_keys"] and not report["unexpected_keys"]
    batch = tokenizer("今天天气很好", "天气今天不好", return_tensors="pt")
    types = match_types(batch["input_ids"], batch["token_type_ids"], **ours.config.match_types)
    with torch.no_grad():
        assert torch.equal(ours(**batch).logits, plain(**{**batch, "token_type_ids": types}).logits)
        assert not torch.equal(ours(**batch).logits, plain(**batch).logits)
    assert load_file(trained / "model.safetensors")["bert.embeddings.token_type_embeddings.weight"].shape[0] == 4
