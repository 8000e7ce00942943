"""What a text spells is text: `[SEP]`, `</s>` and their like are no special tokens, wherever texts are tokenised."""

import json

import pytest
from tiny_models import BERT_SPECIAL, TEXT, TOKENIZERS, tiny_classifier, tiny_tokenizer
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoTokenizer, PreTrainedTokenizerFast, pipeline

from final_project.model.folder import load_tokenizer
from final_project.tokens.token_table import tokenised
from final_project.tokens.tokenizer import (
    build_tokenizer,
    load_init_tokenizer,
    special_tokens_meant,
    with_special_tokens_as_text,
)
from similarity_v0 import PairClassifier
from similarity_v1.evaluate.faithfulness import Judge
from similarity_v1.explain.alignment import align, word_spans
from similarity_v1.explain.explainer import Explainer

TEXTS = [
    f"{before}{token}{after}" for token in BERT_SPECIAL for before, after in (("", ""), ("怎么", "开"), ("a ", " b"))
]


def special_places(tokenizer, *texts):
    """The tokens of the texts, those that the tokenizer adds aside, that are special all the same."""
    encoding = tokenizer(*texts).encodings[0]
    special = set(tokenizer.all_special_ids) - {tokenizer.unk_token_id}
    return [t for t, side in enumerate(encoding.sequence_ids) if side is not None and encoding.ids[t] in special]


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_no_kind_of_tokenizer_finds_special_tokens_in_a_text(kind):
    tokenizer = with_special_tokens_as_text(tiny_tokenizer(kind))
    for text in TEXTS:
        assert special_places(tokenizer, text) == [] == special_places(tokenizer, "怎么", text)
        n_added = tokenizer.num_special_tokens_to_add(pair=False)
        assert sum(side is None for side in tokenizer(text).encodings[0].sequence_ids) == n_added


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_other_texts_keep_their_tokens_and_offsets(kind):
    texts = [*TEXT, "", " ", "[", "SEP]", "[sep ]", "< s>", "[CL S]", "a[b]c", "怎么 [ok] 开？"]
    tokenizer = tiny_tokenizer(kind)
    before = [(found.ids, found.offsets) for found in tokenizer(texts).encodings]
    after = with_special_tokens_as_text(tokenizer)(texts).encodings
    assert before == [(found.ids, found.offsets) for found in after]


def sentencepiece_like():
    """As XLM-R's: the vocabulary itself has </s> and its like as the likeliest pieces."""
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    pieces = [(token, 0.0) for token in special] + [("▁", -1.0), *((char, -3.0) for char in "a<s>/mk你好")]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=3))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    names = {"bos_token": "<s>", "eos_token": "</s>", "cls_token": "<s>", "sep_token": "</s>"}
    names |= {"pad_token": "<pad>", "unk_token": "<unk>", "mask_token": "<mask>"}
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names)


def test_a_vocabulary_that_has_special_tokens_as_pieces_of_text_does_not_find_them_either(tmp_path):
    tokenizer = with_special_tokens_as_text(sentencepiece_like())
    for text in ("</s>", "你</s>好", "<s>你", "a <mask> a", "<pad><pad>"):
        assert special_places(tokenizer, text) == [], text
    assert tokenizer("你好 a").tokens() == sentencepiece_like()("你好 a").tokens()
    tokenizer.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again("你</s>好").tokens() == tokenizer("你</s>好").tokens()
    assert with_special_tokens_as_text(again)("你</s>好").tokens() == tokenizer("你</s>好").tokens()


def test_built_and_loaded_tokenizers_read_them_as_text_and_save_that(tmp_path):
    built = with_special_tokens_as_text(build_tokenizer(["怎么开通花呗", "如何[SEP]开通 seps"], 60))
    tiny_classifier(vocab_size=len(built)).save_pretrained(tmp_path)
    built.save_pretrained(tmp_path)
    assert json.loads((tmp_path / "tokenizer_config.json").read_text())["split_special_tokens"] is True
    expected = ["[CLS]", "开", "[", "s", "##e", "##p", "]", "通", "[SEP]"]
    for tokenizer in (built, load_tokenizer(tmp_path), load_init_tokenizer(str(tmp_path), False)):
        assert tokenizer("开[SEP]通").tokens() == expected
    assert AutoTokenizer.from_pretrained(tmp_path)("开[SEP]通").tokens() == expected, "others read it as we do"
    table, _ = tokenised([("开[SEP]通", "[CLS]", 1)], build_tokenizer(["怎么开通花呗", "如何[SEP]开通 seps"], 60), 32)
    assert list(table.ids).count(built.sep_token_id) == 2 and list(table.ids).count(built.cls_token_id) == 1


@pytest.fixture
def folder(tmp_path):
    tokenizer = with_special_tokens_as_text(build_tokenizer(["怎么开通花呗", "如何开通 [unk] [sep] [mask] unk"], 80))
    tiny_classifier(vocab_size=len(tokenizer), hidden_size=32).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    return tmp_path


def test_prediction_explanation_and_a_plain_pipeline_answer_such_a_text_alike(folder):
    pair = ("开[SEP]通", "怎么[MASK]")
    ours = PairClassifier.load(folder).predict([pair]).probabilities[0]
    (explained,) = Explainer.from_folder(folder).explain([pair])
    answers = pipeline("text-classification", str(folder), top_k=None)({"text": pair[0], "text_pair": pair[1]})
    theirs = {answer["label"]: answer["score"] for answer in answers}
    assert ours == pytest.approx(explained.probabilities[1], abs=1e-6) == pytest.approx(theirs["LABEL_1"], abs=1e-6)
    assert "".join(explained.words[0]) == pair[0] and all(score != 0 for score in explained.scores[0])


def test_the_judge_still_means_the_unknown_token_by_an_empty_text(folder):
    judge = Judge.from_folder(folder)
    unknown = judge.tokenizer.unk_token_id
    assert judge._encoded(("[UNK]", "开"))["input_ids"].count(unknown) == 1
    assert judge.tokenizer.convert_ids_to_tokens(judge._encoded(("[UNK]k", "开"))["input_ids"])[1:3] == ["[", "u"]
    with special_tokens_meant(judge.tokenizer):
        assert judge.tokenizer("开[SEP]通")["input_ids"].count(judge.tokenizer.sep_token_id) == 2
    assert judge.tokenizer("开[SEP]通")["input_ids"].count(judge.tokenizer.sep_token_id) == 1


def test_white_space_and_unknown_characters_keep_their_places_for_alignment():
    """White space is no token, an unknown character is one of its own width: both words around them stay aligned."""
    tokenizer = with_special_tokens_as_text(build_tokenizer(["怎么开通花呗"], 60))
    text, words = "怎 龘\u3000开[UNK]通", ["怎", "龘", "开", "[UNK]", "通"]
    encoding = tokenizer(text).encodings[0]
    tokens = [t for t, side in enumerate(encoding.sequence_ids) if side is not None]
    spans = [encoding.offsets[t] for t in tokens]
    assert [text[begin:end] for begin, end in spans] == ["怎", "龘", "开", "[", "UNK", "]", "通"]
    assert [encoding.ids[t] for t in tokens].count(tokenizer.unk_token_id) == 4
    scores = align([1.0, 2.0, 4.0, 0.5, 0.25, 0.125, 8.0], spans, word_spans(text, words))
    assert list(scores) == [1.0, 2.0, 4.0, 0.875, 8.0]


def test_the_vocabulary_is_as_build_tokenizers_docstring_says():
    """Each form of a character has its own count: of a and ##a one may be there without the other."""
    tokenizer = build_tokenizer(["ab ab cb"], 8)  # room for three: ##b (3 times), a (2), then c
    assert set(tokenizer.get_vocab()) - set(BERT_SPECIAL) == {"##b", "a", "c"}
    assert tokenizer.tokenize("ab b") == ["a", "##b", "[UNK]"]
    words = build_tokenizer(["花呗怎么开通花呗"] * 3, 9, vocab_words=2)
    assert len(words) == 9, "words count among the vocabulary's size"
