"""Where the vocabulary comes from: characters and words of a text, words taught to a given model; and unfit starts."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from conftest import TINY
from tiny_models import tiny_config, tiny_masked_lm
from transformers import AutoModelForMaskedLM, AutoTokenizer, BertTokenizer, RobertaConfig, RobertaForMaskedLM

from final_project.errors import ArtifactError, DataError
from final_project.parallel.world import World
from final_project.recipe import load_recipe
from final_project.run.stage_folder import StageFolder
from final_project.tokens.token_table import open_token_table, write_token_table
from final_project.tokens.tokenizer import build_tokenizer
from final_project.tokens.vocabulary import add_units, unknown_units
from posttrain.fit import fit, start_model

TEXTS = ["手机怎么截图", "苹果手机怎么样", "手机壳怎么选", "怎么样才能截图", "囧囧的手机ωφ好", "ωφ手机囧"]
TINY_RUN = (*TINY, "posttrain.epochs=1", "posttrain.step_rows=4", "posttrain.micro_rows=4", "posttrain.held_out_rows=1")


def known_tokenizer() -> BertTokenizer:
    """Knows the characters of TEXTS but for 囧 and the Greek letters."""
    characters = sorted(set("".join(TEXTS)) - set("囧ωφ"))
    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *characters]
    return BertTokenizer(vocab={token: at for at, token in enumerate(names)})


def saved(folder, model, tokenizer):
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return str(folder)


def test_frequent_words_join_a_built_vocabulary_and_survive_saving(tmp_path):
    tokenizer = build_tokenizer(TEXTS, 60, vocab_words=4)
    assert tokenizer.tokenize("苹果手机怎么截图") == ["苹", "果", "手机", "怎么", "截图"]
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(str(tmp_path))
    assert again("怎么样的手机")["input_ids"] == tokenizer("怎么样的手机")["input_ids"]
    assert len(again) == len(tokenizer) <= 60
    assert again.decode(again("手机怎么样")["input_ids"], skip_special_tokens=True).replace(" ", "") == "手机怎么样"


def test_a_vocabulary_with_words_keeps_to_its_size_and_without_them_to_its_characters():
    assert len(build_tokenizer(TEXTS, 12, vocab_words=3)) == 12
    assert all(
        len(token.removeprefix("##")) == 1 for token in set(build_tokenizer(TEXTS, 60).get_vocab()) if "[" not in token
    )


def test_words_as_tokens_are_whole_words_of_the_table_too(tmp_path):
    tokenizer = build_tokenizer(TEXTS, 60, vocab_words=4)
    write_token_table([("苹果手机怎么截图", None, None)], tokenizer, 16, tmp_path / "t", with_words=True)
    rows = open_token_table(tmp_path / "t")[np.array([0])]
    # [CLS] 苹 果 手机 怎么 截图 [SEP], and jieba's 苹果 is one word
    assert rows.word_starts_N.tolist() == [True, True, False, True, True, True, True]


def test_what_a_tokenizer_does_not_know_is_found_by_frequency():
    assert unknown_units(TEXTS, known_tokenizer(), 10) == ["囧", "ωφ"]
    assert unknown_units(TEXTS, known_tokenizer(), 1) == ["囧"]
    assert unknown_units([*TEXTS, "龘"], known_tokenizer(), 10) == ["囧", "ωφ"], "what occurs once is not frequent"


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_added_words_start_from_their_pieces_and_stay_tied_and_saved(kind, tmp_path):
    tokenizer = known_tokenizer()
    torch.manual_seed(0)
    size = {"vocab_size": len(tokenizer) + 3}  # some weights have more rows than their tokenizer
    if kind == "bert":
        model = tiny_masked_lm(**size)
    else:
        model = RobertaForMaskedLM(RobertaConfig(**{**tiny_config().to_dict(), **size, "model_type": "roberta"}))
    outputs = model.get_output_embeddings()
    with torch.no_grad():
        outputs.bias.normal_()
    before, bias = model.get_input_embeddings().weight.detach().clone(), outputs.bias.detach().clone()
    add_units(["囧", "机ω"], model, tokenizer)
    new, word = tokenizer.convert_tokens_to_ids(["囧", "机ω"])
    unknown, known = tokenizer.unk_token_id, tokenizer.convert_tokens_to_ids("机")
    after = model.get_input_embeddings().weight
    assert torch.equal(after[new], before[unknown])
    torch.testing.assert_close(after[word], (before[unknown] + before[known]) / 2)
    torch.testing.assert_close(model.get_output_embeddings().bias[word], (bias[unknown] + bias[known]) / 2)
    old = [at for at in range(len(before)) if at not in (new, word)]
    assert torch.equal(after[old], before[old])
    assert model.get_output_embeddings().weight is after
    assert model.config.vocab_size == len(after) == max(len(before), len(tokenizer))
    folder = saved(tmp_path, model, tokenizer)
    again, words = AutoModelForMaskedLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert words.tokenize("手机囧囧") == ["手", "机", "囧", "囧"]
    inputs = words("手机囧", return_tensors="pt")
    torch.testing.assert_close(again.eval()(**inputs).logits, model.eval()(**inputs).logits)


def test_unknown_words_join_the_vocabulary_when_a_recipe_asks_for_it(tmp_path):
    tokenizer = known_tokenizer()
    place = saved(tmp_path / "start", tiny_masked_lm(vocab_size=len(tokenizer)), tokenizer)
    text = tmp_path / "text.tsv"
    text.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    recipe = load_recipe("demo", [*TINY, f"encoder.init={place}", "encoder.extend_vocab=10"])
    taught, model = start_model(recipe, text)
    assert len(taught) == len(tokenizer) + 2 == model.config.vocab_size
    assert taught.unk_token_id not in taught("囧囧的手机ωφ好")["input_ids"]
    assert taught.tokenize("囧ωφω") == ["囧", "[UNK]"], "a word is not found within a longer one"


def run_on(tmp_path, text: str, *overrides: str):
    folder = StageFolder(tmp_path / "runs" / "demo", "posttrain")
    (folder.run_dir / "prepare").mkdir(parents=True)
    (folder.run_dir / "prepare" / "text.tsv").write_text(text, encoding="utf-8")
    folder.path.mkdir()
    return fit(load_recipe("demo", [*TINY_RUN, f"runs_dir={tmp_path / 'runs'}", *overrides]), folder, World())


def test_texts_of_one_token_are_trained_on(tmp_path):
    for at, form in enumerate((("posttrain.batch_form=packed",), ("posttrain.mask_unit=word",))):
        _, facts = run_on(tmp_path / str(at), "好\n" * 10, *form)
        assert facts["updates"] == 3 and facts["rows"] == {"train": 9, "held_out": 1}


@pytest.mark.parametrize("init", ["scratch", "folder"])
def test_an_empty_corpus_is_refused(init, tmp_path):
    overrides = []
    if init == "folder":
        tokenizer = known_tokenizer()
        place = saved(
            tmp_path / "start", tiny_masked_lm(vocab_size=len(tokenizer), max_position_embeddings=64), tokenizer
        )
        overrides = [f"encoder.init={place}"]
    with pytest.raises(DataError, match=r"text\.tsv: (the file is empty|expected text)"):
        run_on(tmp_path, "", *overrides)


def test_a_tokenizer_without_mask_token_is_refused(tmp_path):
    tokenizer = known_tokenizer()
    tokenizer.mask_token = None
    place = saved(tmp_path, tiny_masked_lm(), tokenizer)
    with pytest.raises(ArtifactError, match="has no mask token"):
        start_model(load_recipe("demo", [*TINY, f"encoder.init={place}"]), tmp_path / "text.tsv")


def test_a_tokenizer_larger_than_the_weights_is_refused(tmp_path):
    place = saved(tmp_path, tiny_masked_lm(vocab_size=10), known_tokenizer())
    with pytest.raises(
        ArtifactError, match=r"the tokenizer has \d+ tokens, the weights 10: they do not belong together"
    ):
        start_model(load_recipe("demo", [*TINY, f"encoder.init={place}"]), tmp_path / "text.tsv")


def test_rows_longer_than_the_positions_are_refused_and_longer_lines_are_not(tmp_path):
    tokenizer = known_tokenizer()
    torch.manual_seed(0)
    config = {**tiny_config(vocab_size=len(tokenizer), max_position_embeddings=20).to_dict(), "model_type": "roberta"}
    place = saved(tmp_path / "start", RobertaForMaskedLM(RobertaConfig(**{**config, "type_vocab_size": 2})), tokenizer)
    packed = ("posttrain.batch_form=packed", "posttrain.pack_length=64", f"encoder.init={place}")
    text = "".join(f"{text}\n" for text in TEXTS)
    with pytest.raises(ArtifactError, match=r"posttrain\.max_length 20 exceeds 19"):  # RoBERTa counts from pad + 1
        run_on(tmp_path / "20", text, "posttrain.max_length=20", *packed)
    _, facts = run_on(tmp_path / "19", text, "posttrain.max_length=19", *packed)
    assert facts["updates"] == 2


def test_steps_of_rows_without_a_token_to_predict_do_no_harm(tmp_path):
    tokenizer = known_tokenizer()
    model = tiny_masked_lm(vocab_size=len(tokenizer), max_position_embeddings=64)
    place = saved(tmp_path / "start", model, tokenizer)
    _, facts = run_on(tmp_path, "囧\n" * 9 + "手机\n", f"encoder.init={place}")  # 囧 is unknown, and never masked
    assert facts["updates"] == 3 and facts["scores"] == {}, "nothing to measure, nothing claimed"
