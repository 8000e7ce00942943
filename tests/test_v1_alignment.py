import json
import unicodedata
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from v1_support import golden, pair, tiny_classifier

from final_project.data.pairs import SegmentedPair
from final_project.settings import SimilarityV1
from similarity_v1.alignment import align, word_spans


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
    sentence = draw(st.text(min_size=1, max_size=30).filter(str.strip))
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
    from similarity_v1.extract import Explainer, select_rationales

    explainer = Explainer(tiny_classifier(tmp_path), SimilarityV1(ratio=1.0))
    row = pair(1, text, "怎么开通")
    explained = explainer.explain([row])
    assert len(explained[0].scores_q) == len(row.words_q)
    assert np.isfinite(explained[0].scores_q).all() and max(explained[0].scores_q) > 0
    assert sorted(select_rationales(explained, 1.0)[0].words_q) == list(range(len(row.words_q)))


def test_a_pair_longer_than_the_positions_is_cut_with_a_count_and_still_ranked(tmp_path, caplog):
    from similarity_v1.extract import Explainer, select_rationales

    explainer = Explainer(tiny_classifier(tmp_path, max_positions=16), SimilarityV1())
    long, short = "怎么开通花呗" * 10, "如何关闭"
    with caplog.at_level("WARNING"):
        explained = explainer.explain([pair(7, short, long), pair(8, short, short)])
    assert "1 of 2 pairs are longer than the model's 16 positions" in caplog.text and "first id: 7" in caplog.text
    scores = explained[0].scores_t
    assert len(scores) == 60 and min(scores[:9]) > 0 and set(scores[9:]) == {0.0}
    assert min(explained[0].scores_q) > 0, "the longer sentence is cut first"
    rationale = select_rationales(explained, 1.0)[0]
    assert sorted(rationale.words_t) == list(range(60)) and rationale.words_t[9:] == tuple(range(9, 60))


def test_words_longer_than_tokens_sum_their_pieces(tmp_path):
    from similarity_v1.extract import Explainer

    explainer = Explainer(tiny_classifier(tmp_path), SimilarityV1())
    by_char = explainer.explain([pair(1, "怎么开通花呗", "如何关闭")])[0]
    by_word = explainer.explain(
        [SegmentedPair(1, "怎么开通花呗", "如何关闭", ("怎么", "开通", "花呗"), ("如何关闭",))]
    )[0]
    np.testing.assert_allclose(by_word.scores_q, np.reshape(by_char.scores_q, (3, 2)).sum(1), rtol=1e-6)
    np.testing.assert_allclose(by_word.scores_t, [sum(by_char.scores_t)], rtol=1e-6)
