"""Figures about pairs, within one set and between sets, and the character-overlap baseline."""

import json
import random

import numpy as np
import pytest

from final_project.__main__ import main
from final_project.cli import run_main
from final_project.data.quality.fingerprints import fingerprints
from final_project.data.quality.overlap_baseline import overlap_baseline, overlap_features
from final_project.data.quality.statistics import (
    LENGTH_EDGES,
    describe,
    overlaps,
    quantiles,
    shared_sentences,
    statistics_table,
)
from final_project.data.records import Pair

PAIRS = [
    Pair("甲乙", "甲乙丙", 1),
    Pair("甲乙", "甲乙丙", 1),
    Pair("甲乙", "甲乙丙", 0),
    Pair("丁", "丁", 1),
    Pair("戊己庚辛", "壬", 0),
]


def test_the_figures_of_one_set_by_hand():
    figures = describe(fingerprints(PAIRS))
    assert sum(figures.pop("length_histogram")) == 10
    assert figures == {
        "rows": 5,
        "labelled": 5,
        "positive": 3,
        "positive_share": 0.6,
        "sentences": 5,
        "length_chars": {"0": 1, "0.5": 2, "0.9": 3, "0.99": 4, "1": 4},
        "duplicates": 1,
        "contradicting": 1,
        "identical_sides": 1,
    }


def test_a_set_without_labels_has_no_share_and_an_empty_set_no_lengths():
    assert describe(fingerprints([Pair("甲", "乙")]))["positive_share"] is None
    assert describe(fingerprints([]))["length_chars"] == {}


def test_quantiles_equal_those_of_numpy_by_inverted_cdf():
    rng = random.Random(3)
    for _ in range(50):
        values = [rng.randrange(40) for _ in range(rng.randrange(1, 60))]
        found = quantiles(np.array(values))
        for share, value in found.items():
            assert value == np.quantile(values, float(share), method="inverted_cdf")


def test_lengths_are_counted_in_bins_of_which_the_last_is_open():
    counts = describe(fingerprints([Pair("x" * 4, "x" * 5), Pair("x" * 99, "x" * 5000)]))["length_histogram"]
    assert len(counts) == len(LENGTH_EDGES)
    assert {edge: count for edge, count in zip(LENGTH_EDGES, counts, strict=True) if count} == {
        0: 1,
        5: 1,
        95: 1,
        100: 1,
    }


def test_overlaps_count_pairs_in_either_order_and_shared_sentences():
    train = [Pair("甲", "乙", 1), Pair("丙", "丁", 0)]
    dev = [Pair("乙 ", "甲", 1), Pair("甲", "丁", 1), Pair("甲", "戊", 0), Pair("己", "庚", 0)]
    found = overlaps({"train": fingerprints(train), "dev": fingerprints(dev)})
    assert found == {"train/dev": {"rows": 4, "pairs": 1, "sharing_a_sentence": 3}}


def test_three_sets_are_compared_two_by_two():
    assert list(overlaps(dict.fromkeys("abc", fingerprints([])))) == ["a/b", "a/c", "b/c"]


def test_shared_sentences_are_shares_of_the_distinct_sentences_of_the_row():
    sets = {"few": fingerprints([Pair("甲", "乙")]), "many": fingerprints([Pair("甲 ", "丙"), Pair("丁", "甲")])}
    assert shared_sentences(sets) == {"names": ["few", "many"], "shares": [[1.0, 0.5], [0.3333, 1.0]]}
    assert shared_sentences({"none": fingerprints([])}) == {"names": ["none"], "shares": [[0.0]]}


def test_the_table_has_one_line_a_set_and_one_a_comparison():
    prints = fingerprints(PAIRS)
    table = statistics_table({"train": describe(prints)}, overlaps({"train": prints, "dev": prints[:1]}))
    assert table.splitlines()[1].split()[:3] == ["train", "5", "60.0%"]
    assert table.splitlines()[-1].split() == ["train/dev", "1", "1", "1"]


def test_stats_prints_one_json_object_and_a_table_on_standard_error(tmp_path, capsys):
    path = tmp_path / "in.tsv"
    path.write_text("甲\t乙\t1\n丙\t丁\t0\n", encoding="utf-8")
    assert run_main(main, ["stats", "--input", str(path)]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["rows"] == 2
    assert "label 1" in shown.err
    assert run_main(main, ["stats", "--input", str(path), "--input", str(tmp_path / "absent.tsv")]) == 2


def test_overlap_features_are_shares_and_symmetric():
    pair, turned = Pair("从北京到南京", "从南京到北京"), Pair("从南京到北京", "从北京到南京")
    assert overlap_features(pair) == overlap_features(turned)
    assert overlap_features(pair)[:3] == [1.0, 1.0, 1.0]
    assert all(0 <= value <= 1 for value in overlap_features(Pair("甲", "乙丙丁")))


def test_the_baseline_solves_pairs_that_overlap_solves_and_not_others():
    rng = random.Random(5)
    easy = []
    for _ in range(200):
        words = rng.sample("甲乙丙丁戊己庚辛壬癸子丑寅卯", 8)
        easy.append(Pair("".join(words[:4]), "".join(words[:4]), 1))
        easy.append(Pair("".join(words[:4]), "".join(words[4:]), 0))
    assert overlap_baseline(easy, dev=easy)["dev_accuracy"] == 1.0
    random_labels = [Pair(pair.sentence1, pair.sentence2, rng.randrange(2)) for pair in easy]
    assert overlap_baseline(random_labels, dev=random_labels)["dev_accuracy"] < 0.6


@pytest.mark.parametrize(("train", "wanted"), [([Pair("甲", "乙", 1)], {}), (PAIRS, {"dev_accuracy"})])
def test_sets_without_labels_have_no_accuracy(train, wanted):
    assert set(overlap_baseline(train, dev=PAIRS, test=[Pair("甲", "乙")])) == set(wanted)
