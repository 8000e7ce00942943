"""One writer of model folders: weights, tokenizer, decision rule and card, whatever kind of model it is."""

from __future__ import annotations

import pytest
from tiny_models import tiny_classifier

from final_project.model.decision import Decision, load_decision
from final_project.model.folder import load_classifier
from final_project.model.model_folder import write_model_folder
from final_project.tokens.tokenizer import build_tokenizer


@pytest.fixture
def tokenizer():
    return build_tokenizer(iter(["今天天气好", "明天下雨吗"]), 64, "texts", 0)


def test_a_classifier_folder_has_its_decision_and_its_card(tokenizer, tmp_path):
    model = tiny_classifier(vocab_size=len(tokenizer))
    write_model_folder(tmp_path / "made", model.save_pretrained, tokenizer, Decision(0.25), "# A card\n")
    loaded, again = load_classifier(tmp_path / "made", pairs=True)
    assert load_decision(tmp_path / "made") == Decision(0.25)
    assert (tmp_path / "made/README.md").read_text(encoding="utf-8") == "# A card\n"
    assert loaded.num_parameters() == model.num_parameters() and again.get_vocab() == tokenizer.get_vocab()


def test_a_folder_without_decision_and_card_has_neither_file(tokenizer, tmp_path):
    model = tiny_classifier(vocab_size=len(tokenizer))
    write_model_folder(tmp_path, model.save_pretrained, tokenizer)
    assert not (tmp_path / "decision.json").exists() and not (tmp_path / "README.md").exists()
    assert (tmp_path / "model.safetensors").is_file() and (tmp_path / "tokenizer.json").is_file()


def test_without_a_decision_there_is_still_a_card(tokenizer, tmp_path):
    model = tiny_classifier(vocab_size=len(tokenizer))
    write_model_folder(tmp_path, model.save_pretrained, tokenizer, card="text")
    assert (tmp_path / "README.md").read_text(encoding="utf-8") == "text"
