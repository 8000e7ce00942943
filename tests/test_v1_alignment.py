import json
import unicodedata
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import TOKENIZERS, tiny_sequence_classifier, tiny_tokenizer
from v1_support import golden, pair, tiny_classifier

from final_project.data.records import SegmentedPair
from final_project.settings import SimilarityV1
from similarity_v1.explain.alignment import align, word_spans
from similarity_v1.explain.encoding import encode
from similarity_v1.explain.explainer import Explainer as AnyExplainer
from similarity_v1.explain.segmentation import RULES, split_words
from similarity_v1.rationales.selection import select


def test_alignment_agrees_with_the_published_one():
    for case in json.loads(golden("postprocess.json").read_text())["word_alignment"]:
        spans = word_spans(case["context"], case["words"])
        assert [list(span) for span in spans] == case["word_offsets"]
        found = align(case["attributions"], [tuple(span) for span in case["subword_offsets"]], spans)
        np.testing.assert_allclose(found, case["word_attributions"], rtol=0, atol=1e-12)


def test_words_are_located_across_white_space():
    assert word_spans("我 爱  NLP 课", ["我", "爱", "NLP", "课"]) == [(0, 1), (2, 3), (5, 8), (9, 10)]
    assert word_spans("a b", ["a b"]) == [(0, 3)]
    assert word_spans("ab", ["a", " ", "b"]) == [(0, 1), (1, 1), (1, 2)]


def test_a_token_over_two_words_gives_each_half():
    assert align([3.0, 1.0], [(0, 2), (2, 3)], [(0, 1), (1, 3)]).tolist() == [1.5, 2.5]


def test_a_token_between_words_belongs_to_the_nearest_one():
    assert align([1.0, 2.0, 4.0], [(0, 1), (1, 2), (2, 3)], [(0, 1), (2, 3)]).tolist() == [3.0, 4.0]
    assert align([1.0], [(0, 0)], [(2, 3)]).tolist() == [1.0]


def test_a_word_without_tokens_scores_zero():
    assert align([], [], [(0, 1), (1, 2)]).tolist() == [0.0, 0.0]


@st.composite
def sentence_cut_twice(draw):
    """A sentence, cut into words and, elsewhere, into tokens that leave gaps."""
    sentence = draw(st.text(min_size=1, max_size=30))
    cuts = sorted(draw(st.sets(st.integers(1, max(len(sentence) - 1, 1)), max_size=10)))
    edges = [0, *[cut for cut in cuts if cut < len(sentence)], len(sentence)]
    words = [sentence[a:b] for a, b in pairwise(edges)]
    starts = draw(st.lists(st.tuples(st.integers(0, len(sentence)), st.integers(0, 4)), max_size=12))
    spans = [(start, min(start + n, len(sentence))) for start, n in starts]
    return sentence, words, spans


@given(sentence_cut_twice())
@settings(max_examples=200, deadline=None)
def test_mass_is_conserved_for_any_text_and_any_tokens(case):
    sentence, words, spans = case
    scores = np.arange(1, len(spans) + 1) / 7
    found = align(scores, spans, word_spans(sentence, words))
    assert len(found) == len(words) and np.isfinite(found).all()
    assert found.sum() == pytest.approx(scores.sum())


AWKWARD = [
    "ｉＰｈｏｎｅ１２怎么开通",
    "花呗 开通　在 哪\t里",
    "👨‍👩‍👧‍👦怎么了😀",
    "Ｃafé e\u0301 \u200b开",
    "ABC abc123 [UNK] [SEP]",
    "\ud83d怎么",
    "龘龘龘",
]


@pytest.mark.parametrize("text", AWKWARD, ids=lambda text: unicodedata.name(text[0], "lone surrogate"))
def test_every_given_word_of_awkward_text_is_ranked(text, tmp_path):
    from similarity_v1.extract.worker import Worker

    worker = Worker(tiny_classifier(tmp_path), SimilarityV1(ratio=1.0))
    row = pair(1, text, "怎么开通")
    explained, _ = worker.score([row])
    assert len(explained[0].scores_q) == len(row.words_q)
    assert np.isfinite(explained[0].scores_q).all() and max(explained[0].scores_q) > 0
    assert sorted(explained[0].chosen(1.0).words_q) == list(range(len(row.words_q)))


def test_a_pair_longer_than_the_positions_is_cut_with_a_count_and_still_ranked(tmp_path, caplog):
    from similarity_v1.extract.worker import Worker, warn_truncated

    worker = Worker(tiny_classifier(tmp_path, max_positions=16), SimilarityV1())
    long, short = "怎么开通花呗" * 10, "如何关闭"
    explained, cut_ids = worker.score([pair(7, short, long), pair(8, short, short)])
    with caplog.at_level("WARNING"):
        warn_truncated(cut_ids, 2)
    assert "1 of 2 pairs are longer than the model's positions" in caplog.text and "first id: 7" in caplog.text
    scores = explained[0].scores_t
    assert len(scores) == 60 and min(scores[:9]) > 0 and set(scores[9:]) == {0.0}
    assert min(explained[0].scores_q) > 0, "the longer sentence is cut first"
    rationale = explained[0].chosen(1.0)
    assert sorted(rationale.words_t) == list(range(9)), "a word that was not read is no rationale"
    assert explained[0].unread_t == tuple(range(9, 60)) and explained[0].unread_q == explained[1].unread_t == ()


def test_words_longer_than_tokens_sum_their_pieces(tmp_path):
    from similarity_v1.extract.worker import Worker

    worker = Worker(tiny_classifier(tmp_path), SimilarityV1())
    by_char = worker.score([pair(1, "怎么开通花呗", "如何关闭")])[0][0]
    given = SegmentedPair(1, "怎么开通花呗", "如何关闭", ("怎么", "开通", "花呗"), ("如何关闭",))
    by_word = worker.score([given])[0][0]
    np.testing.assert_allclose(by_word.scores_q, np.reshape(by_char.scores_q, (3, 2)).sum(1), rtol=1e-6)
    np.testing.assert_allclose(by_word.scores_t, [sum(by_char.scores_t)], rtol=1e-6)


# --- real tokenizers, any text

MARKS = "\u0301\u20dd\u200b\u200d\ufe0f\u202e\u00ad\ufeff\u3000\t\n\x00\x85\ud83d\ude00"
ANY_TEXT = st.text(
    st.one_of(
        st.characters(exclude_categories=()),  # all of Unicode, lone surrogates and unassigned code points too
        st.sampled_from(MARKS),
        st.sampled_from("怎么开通花呗ＡＢｃ１２ﬁ㍿①é👨👩👧🇨🇳한각אب 𠀀İßǅ"),
        st.sampled_from("abcdeXYZ012 ,.[]#"),
    ),
    max_size=40,
) | st.sampled_from(
    ["", " ", "\u3000", "[UNK]", "[CLS] [SEP]", "👨‍👩‍👧‍👦👍🏽", "e\u0301" * 9, "🇨🇳🇨🇳", "長" * 90, "\u200b" * 3]
)


@pytest.fixture(scope="module", params=TOKENIZERS)
def tokenizer(request):
    return tiny_tokenizer(request.param, model_max_length=48)


@pytest.mark.stage
@pytest.mark.parametrize("rule", RULES)
def test_any_text_has_words_that_join_to_it(rule):
    @given(ANY_TEXT)
    @settings(max_examples=60, deadline=None)
    def holds(text):
        words = split_words(text, rule)
        assert "".join("".join(words).split()) == "".join(text.split())
        assert bool(words) == bool(text) and all(words)

    holds()


def test_words_follow_their_rule():
    assert split_words("a👨‍👩‍👧b e\u0301", "characters") == ("a", "👨‍👩‍👧", "b", "e\u0301")
    assert split_words("花呗abc 12。", "contest") == ("花", "呗", "abc", "12", "。")
    assert split_words("怎么打开手机 now", "jieba") == ("怎么", "打开", "手机", "now")
    assert "👨‍👩‍👧" in split_words("手机👨‍👩‍👧坏了", "jieba")
    assert split_words(" to be  not ", "whitespace") == ("to", "be", "not")
    assert split_words("\u3000", "whitespace") == ("\u3000",)


def test_every_tokenizer_conserves_the_mass_of_any_text_and_ranks_every_word(tokenizer):
    @given(ANY_TEXT, ANY_TEXT, st.sampled_from(sorted(RULES)), st.booleans())
    @settings(max_examples=150, deadline=None)
    def holds(text_a, text_b, rule, single):
        texts = (text_a,) if single else (text_a, text_b)
        words = tuple(split_words(text, rule) for text in texts)
        (row,) = encode(tokenizer, 48, [texts], [words], ["input_ids", "attention_mask"])
        assert len(row) <= 48
        scores_T = np.random.default_rng(len(text_a)).random(len(row)) + 0.1
        found = row.word_scores(scores_T)
        for side, (its_words, scores) in enumerate(zip(words, found, strict=True)):
            mass = sum(score for score, of_side in zip(scores_T, row.side_T, strict=True) if of_side == side)
            assert len(scores) == len(its_words) and np.isfinite(scores).all()
            if its_words:
                assert sum(scores) == pytest.approx(mass, abs=1e-6)
            assert sorted(select(scores, 1.0)) == list(range(len(its_words)))

    holds()


def test_units_are_whole_words_and_carry_all_tokens_of_the_texts(tokenizer):
    @given(ANY_TEXT, ANY_TEXT)
    @settings(max_examples=60, deadline=None)
    def holds(text_a, text_b):
        words = (split_words(text_a, "contest"), split_words(text_b, "contest"))
        (row,) = encode(tokenizer, 48, [(text_a, text_b)], [words], ["input_ids", "attention_mask"])
        units = row.units_T
        inside = sorted({unit for unit in units if unit >= 0})
        assert inside == list(range(len(inside)))
        for side, its_words in enumerate(words):
            of_side = [unit for unit, at in zip(units, row.side_T, strict=True) if at == side]
            assert all(unit >= 0 for unit in of_side) or not its_words
            assert len(set(of_side)) <= len(its_words)

    holds()


def test_what_a_tokenizer_drops_scores_zero_and_what_it_merges_is_shared():
    tokenizer = tiny_tokenizer("wordpiece_lower")
    words = (("怎", "\u200b", "么"), ("abc", "1", "23"))
    (row,) = encode(tokenizer, 48, [("怎\u200b么", "abc 123")], [words], ["input_ids", "attention_mask"])
    sides = row.word_scores([1.0] * len(row))
    assert sides[0] == (1.0, 0.0, 1.0) and sum(sides[1]) == row.side_T.count(1)


def test_the_model_explains_texts_that_no_vocabulary_knows():
    tokenizer = tiny_tokenizer("byte_bpe")
    model = tiny_sequence_classifier("roberta", tokenizer)
    texts = [("👨‍👩‍👧‍👦😀", "\ud83d怎"), ("\u3000\t", "e\u0301\u20dd"), ("ｉＰｈｏｎｅ", "한각 𠀀")]
    for method in ("gradient_x_input", "leave_one_out"):
        for found in AnyExplainer(model, tokenizer, method).explain(texts):
            assert all(np.isfinite(side).all() and len(side) for side in found.scores)
