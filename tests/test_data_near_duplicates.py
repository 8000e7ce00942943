"""Near-duplicates against the exact similarity of all pairs of texts."""

import random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from final_project.data.quality import near_duplicates as module
from final_project.data.quality.near_duplicates import near_duplicates

LETTERS = [chr(number) for number in range(0x4E00, 0x4E00 + 300)]


def variants(seed, n_families=60, n_each=6):
    """Made-up pairs of sentences and, for each, some that differ from it in a few characters; shuffled."""
    rng = random.Random(seed)
    texts = []
    for _ in range(n_families):
        original = "".join(rng.choices(LETTERS, k=rng.randrange(10, 80))) + "\n" + "".join(rng.choices(LETTERS, k=12))
        for n_changes in range(n_each):
            changed = list(original)
            for place in rng.sample(range(len(changed)), n_changes):
                changed[place] = rng.choice(LETTERS)
            texts.append("".join(changed))
    rng.shuffle(texts)
    return texts


def shingles(text):
    """Distinct pairs of neighbouring UTF-16 units of the text between line ends."""
    units = f"\n{text}\n".encode("utf-16-le")
    return {units[place : place + 4] for place in range(0, len(units) - 2, 2)}


def similarity(one, other):
    return len(one & other) / len(one | other)


@pytest.mark.stage
@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.8, 0.9])
def test_nothing_below_the_threshold_is_reported_and_little_above_it_is_missed(threshold):
    texts = variants(seed=int(threshold * 10))
    sets = [shingles(text) for text in texts]
    exact = np.array([[similarity(one, other) for other in sets] for one in sets])
    earliest = near_duplicates(texts, threshold, seed=5)
    rows = np.arange(len(texts))
    assert earliest.dtype == np.int64 and (earliest <= rows).all()
    assert (exact[rows, earliest] >= threshold).all()
    expected = np.array([np.flatnonzero(exact[row] >= threshold)[0] for row in rows])
    assert (expected < rows).sum() > 50
    assert (earliest == expected).mean() > 0.97
    clear = np.array([(exact[row, :row] >= threshold + 0.05).any() for row in rows])
    assert (earliest < rows)[clear].mean() >= 0.95


def test_the_same_seed_gives_the_same_answer_and_texts_may_come_as_a_stream():
    texts = variants(seed=1)
    once = near_duplicates(texts, 0.6, seed=3)
    assert np.array_equal(once, near_duplicates(iter(texts), 0.6, seed=3))


def test_cutting_the_work_into_parts_changes_nothing(monkeypatch):
    texts = variants(seed=2)
    whole = near_duplicates(texts, 0.6, seed=3)
    monkeypatch.setattr(module, "CHUNK", 7)
    monkeypatch.setattr(module, "SHINGLES_AT_ONCE", 100)
    assert np.array_equal(whole, near_duplicates(texts, 0.6, seed=3))


def test_equal_texts_repeat_the_first_however_many_there_are():
    texts = ["甲乙丙丁", "戊己庚辛"] * 500 + ["甲乙丙丁"]
    assert near_duplicates(texts, 1.0, seed=0).tolist() == [0, 1] * 500 + [0]
    assert near_duplicates(["甲", "乙", "丙乙"], 1.0, seed=0).tolist() == [0, 1, 2]


def test_the_order_of_lines_does_not_matter_and_the_order_of_characters_does():
    assert near_duplicates(["怎么去北京\n去上海", "去上海\n怎么去北京"], 1.0, seed=0).tolist() == [0, 0]
    assert near_duplicates(["甲乙丙丁戊", "戊丁丙乙甲"], 0.5, seed=0).tolist() == [0, 1]


def test_a_crowd_of_texts_alike_in_one_band_costs_no_more_than_the_earliest_of_them(monkeypatch):
    monkeypatch.setattr(module, "COMPARED", 2)
    texts = variants(seed=4)
    earliest = near_duplicates(texts, 0.7, seed=0)
    assert all(similarity(shingles(texts[row]), shingles(texts[first])) >= 0.7 for row, first in enumerate(earliest))


@pytest.mark.parametrize("texts", [[], [""], ["", ""], ["甲"], ["\ud800", "😀", "😀"]])
def test_few_and_odd_texts(texts):
    expected = [texts.index(text) for text in texts]
    assert near_duplicates(texts, 0.9, seed=0).tolist() == expected


@pytest.mark.stage
@settings(max_examples=60, deadline=None)
@given(st.lists(st.text(alphabet="甲乙丙\n😀", max_size=8), max_size=30), st.sampled_from([0.05, 0.2, 0.5, 0.8, 1.0]))
def test_whatever_the_texts_a_reported_one_is_earlier_and_near_and_equal_ones_are_found(texts, threshold):
    earliest = near_duplicates(texts, threshold, seed=1)
    for row, first in enumerate(earliest):
        assert first <= texts.index(texts[row])
        assert similarity(shingles(texts[row]), shingles(texts[first])) >= threshold
