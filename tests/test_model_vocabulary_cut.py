"""A vocabulary cut to a corpus: its texts keep their pieces and their answers."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
import torch
from folder_support import tiny_folder, tiny_masked_lm_folder
from q4_support import write_tiny_q4
from tiny_models import tiny_tokenizer
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import AutoModel, AutoModelForMaskedLM, AutoTokenizer, PreTrainedTokenizerFast

from final_project.errors import ArtifactError, DataError
from final_project.model.model_inputs import input_keys
from final_project.weights.e5_small import encoder_of, tokenizer_of
from final_project.weights.local_folder import Pretrained, load_folder
from final_project.weights.q4_file import Q4File
from final_project.weights.vocabulary_cut import cut_tokenizer, plan_cut
from final_project.weights.writing import texts_of, write_weights

TEXTS = ("怎么开通花呗", "手机号码", "How do I", "abc", "怎么 Xyz", "号码☃码", "2 花")


def pretrained(kind: str, folder) -> Pretrained:
    if kind == "e5":
        write_tiny_q4(folder / "tiny.bin")
        file = Q4File(folder / "tiny.bin")
        return Pretrained(encoder_of(file), tokenizer_of(file.pieces, file.sizes.positions))
    return load_folder(tiny_masked_lm_folder(folder / "start", kind))


def corpus(folder, texts=TEXTS):
    path = folder / "text.tsv"
    path.write_text("".join(f"{text}\t{text[::-1]}\n" for text in texts), encoding="utf-8")
    return path


def answers(model, tokenizer, texts):
    with torch.no_grad():
        rows = [tokenizer(a, b, return_tensors="pt") for a, b in pairwise(texts)]
        keys = input_keys(model, tokenizer)
        return [model.base_model(**{key: row[key] for key in keys}).last_hidden_state for row in rows]


@pytest.mark.parametrize("kind", ["e5", "bert", "ernie", "electra", "roberta", "xlm-roberta"])
def test_texts_of_the_corpus_keep_their_answers(kind, tmp_path):
    whole = pretrained(kind, tmp_path)
    texts = [*TEXTS, *(text[::-1] for text in TEXTS)]
    expected = answers(whole.model.eval(), whole.tokenizer, texts)
    n_before = len(whole.tokenizer)
    note = write_weights(tmp_path / "cut", whole, {}, [corpus(tmp_path)])
    assert note["vocabulary"]["kept"] <= note["vocabulary"]["of"] == n_before
    auto = AutoModel if kind == "e5" else AutoModelForMaskedLM
    model, tokenizer = (part.from_pretrained(tmp_path / "cut") for part in (auto, AutoTokenizer))
    assert model.get_input_embeddings().weight.shape[0] == len(tokenizer) == note["vocabulary"]["kept"]
    for found, before in zip(answers(model.eval(), tokenizer, texts), expected, strict=True):
        torch.testing.assert_close(found, before, rtol=0, atol=1e-6)


def test_a_masked_lm_head_is_cut_along_and_stays_tied(tmp_path):
    whole = pretrained("bert", tmp_path)
    with torch.no_grad():
        whole.model.cls.predictions.bias.uniform_(-1, 1)
    inputs = whole.tokenizer("怎么", "手机", return_tensors="pt")
    cut = plan_cut(TEXTS, whole.tokenizer)
    with torch.no_grad():
        expected = whole.model.eval()(**inputs).logits[..., cut.kept]
    write_weights(tmp_path / "cut", whole, {}, [corpus(tmp_path)])
    model, tokenizer = (part.from_pretrained(tmp_path / "cut") for part in (AutoModelForMaskedLM, AutoTokenizer))
    assert model.cls.predictions.decoder.weight is model.get_input_embeddings().weight
    with torch.no_grad():
        found = model.eval()(**tokenizer("怎么", "手机", return_tensors="pt")).logits
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("kind", ["wordpiece_lower", "wordpiece_cased", "unigram"])
def test_any_texts_have_the_same_tokens_before_and_after(kind):
    tokenizer = tiny_tokenizer(kind)
    letters, draw = "怎么开通花呗abcHow é1☃ ", random.Random(0)
    texts = ["".join(draw.choices(letters, k=draw.randrange(1, 9))) for _ in range(300)]
    cut = plan_cut(texts, tokenizer)
    smaller = cut_tokenizer(tokenizer, cut)
    for text in texts:
        assert [cut.kept[token] for token in smaller(text)["input_ids"]] == tokenizer(text)["input_ids"], text


def test_an_unknown_word_stays_unknown_where_shorter_pieces_would_now_write_it():
    vocabulary = {"[UNK]": 0, "汉ab": 1, "汉": 2, "##abX": 3, "[PAD]": 4, "字": 5}
    backend = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]"))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="[UNK]", pad_token="[PAD]")
    texts = ["汉abX", "汉", "x 字"]
    cut = plan_cut(texts, tokenizer)
    smaller = cut_tokenizer(tokenizer, cut)
    for text in texts:
        assert smaller.tokenize(text) == tokenizer.tokenize(text)


def test_single_chinese_characters_and_special_tokens_stay_whatever_the_corpus_says(tmp_path):
    whole = pretrained("e5", tmp_path)
    cut = cut_tokenizer(whole.tokenizer, plan_cut(["."], whole.tokenizer))
    assert {"怎", "么", "退", "货", "b", "1", ".", *whole.tokenizer.all_special_tokens} <= set(cut.get_vocab())
    assert not {"怎么", "退货", "..."} & set(cut.get_vocab())


def test_the_share_of_unknown_tokens_is_that_of_the_corpus(tmp_path):
    whole = pretrained("e5", tmp_path)
    assert plan_cut(["退货怎么"], whole.tokenizer).unknown_share == 0
    assert plan_cut(["退货☃怎么"], whole.tokenizer).unknown_share == pytest.approx(1 / 4, abs=0.01)


def test_a_vocabulary_that_merges_bytes_is_not_cut():
    with pytest.raises(ArtifactError, match="vocabulary of a BPE tokenizer cannot be cut; leave --vocabulary-of out"):
        plan_cut(["a"], tiny_tokenizer("byte_bpe"))


def test_texts_come_from_lines_and_from_tables(tmp_path):
    (tmp_path / "pairs.csv").write_text('sentence1,sentence2,label\n"甲,乙",丙,1\n', encoding="utf-8")
    assert list(texts_of([corpus(tmp_path, ["甲乙"]), tmp_path / "pairs.csv"])) == ["甲乙", "乙甲", "甲,乙", "丙"]
    (tmp_path / "empty.tsv").touch()
    with pytest.raises(DataError, match=r"empty\.tsv: the file is empty"):
        list(texts_of([tmp_path / "empty.tsv"]))


def test_a_fault_leaves_no_folder(tmp_path):
    whole = pretrained("bert", tmp_path)
    (tmp_path / "bad.tsv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(DataError, match=r"bad\.tsv:1"):
        write_weights(tmp_path / "cut", whole, {}, [tmp_path / "bad.tsv"])
    assert not (tmp_path / "cut").exists()


def test_a_trained_pooler_is_kept(tmp_path):
    folder = tiny_folder(tmp_path / "start")
    write_weights(tmp_path / "out", load_folder(folder), {}, [corpus(tmp_path)])
    before, after = (AutoModel.from_pretrained(place).pooler.dense.weight for place in (folder, tmp_path / "out"))
    assert torch.equal(before, after)
