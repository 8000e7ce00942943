"""Fingerprints and the checks made with them, against the same questions asked of the texts themselves."""

import random

import numpy as np
import pytest

from final_project.data.quality import fingerprints as module
from final_project.data.quality.checks import Known, contradicting, repeating
from final_project.data.quality.fingerprints import fingerprints, found_in, joined, normal_form
from final_project.data.records import Pair


def awkward_pairs(seed, count=400):
    """Few letters, so that everything repeats; width, case and blanks differ."""
    rng = random.Random(seed)

    def sentence():
        return "".join(rng.choice("甲乙aAａ ") for _ in range(rng.randrange(1, 4))) + "x"

    return [Pair(sentence(), sentence(), rng.choice((0, 1, 1, None))) for _ in range(count)]


def normal_pair(pair):
    return tuple(sorted((normal_form(pair.sentence1), normal_form(pair.sentence2))))


@pytest.mark.parametrize("seed", range(5))
def test_repeats_and_contradictions_are_those_of_the_texts(seed):
    pairs = awkward_pairs(seed)
    keys, prints = [normal_pair(pair) for pair in pairs], fingerprints(pairs)
    assert repeating(prints.normal_pairs_N).tolist() == [key in keys[:place] for place, key in enumerate(keys)]
    labels = {key: {pair.label for pair, other in zip(pairs, keys, strict=True) if other == key} for key in keys}
    expected = [{0, 1} <= labels[key] and pair.label is not None for pair, key in zip(pairs, keys, strict=True)]
    assert contradicting(prints.normal_pairs_N, prints.label_N).tolist() == expected


@pytest.mark.parametrize("seed", range(5))
def test_known_pairs_and_sentences_are_those_of_the_texts(seed):
    pairs, scored = awkward_pairs(seed), {"dev": awkward_pairs(seed + 50, 20), "test": awkward_pairs(seed + 90, 3)}
    prints = fingerprints(pairs)
    known = Known.of({name: fingerprints(some) for name, some in scored.items()})
    for name, some in scored.items():
        known_pairs = {normal_pair(pair) for pair in some}
        sentences = {side for pair in known_pairs for side in pair}
        assert known.sharing_the_pair(prints)[name].tolist() == [normal_pair(pair) in known_pairs for pair in pairs]
        expected = [not sentences.isdisjoint(normal_pair(pair)) for pair in pairs]
        assert known.sharing_a_sentence(prints)[name].tolist() == expected


def test_the_order_of_the_sides_says_nothing_of_a_pair():
    prints = fingerprints([Pair("甲", "乙"), Pair("乙", "甲"), Pair("甲 ", "乙")])
    assert len(set(prints.normal_pairs_N.tolist())) == 1
    assert len({tuple(row) for row in prints.exact_N2.tolist()}) == 3


def test_reading_in_chunks_gives_the_same_fingerprints(monkeypatch):
    pairs = awkward_pairs(3)
    whole = fingerprints(pairs)
    monkeypatch.setattr(module, "CHUNK", 7)
    for by_chunks in (fingerprints(pairs), joined([whole[:100], whole[100:]])):
        for field in ("exact_N2", "normal_N2", "length_N2", "label_N"):
            assert np.array_equal(getattr(by_chunks, field), getattr(whole, field))


def test_sentences_are_compared_without_spaces_width_or_case():
    assert normal_form("ＱＱ 怎么 登录？") == normal_form("qq怎么登录?")


def test_no_pairs_have_no_faults():
    prints = fingerprints([])
    assert len(prints) == 0 and prints.normal_N2.shape == (0, 2)
    assert not repeating(prints.normal_pairs_N).size
    assert not found_in(np.array([1, 2], dtype=np.uint64), np.array([], dtype=np.uint64)).any()
