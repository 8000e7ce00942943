"""Transitive augmentation: by hand, against a slow reference, and the published bytes on real data."""

import hashlib
import itertools
import lzma
import random
import tarfile
from collections import Counter
from pathlib import Path

import pytest

from final_project.__main__ import main
from final_project.cli import run_main
from final_project.data.files.tables import read_pairs, write_pairs_csv
from final_project.data.implied_pairs import augment_pairs, implied_pairs
from final_project.data.records import Pair
from final_project.errors import DataError

CORPORA = Path(__file__).resolve().parents[2] / "shared" / "data" / "corpora.tar.xz"


def slow_reference(pairs):
    """The rule word for word, with lists and loops only."""
    firsts = []
    for pair in pairs:
        if pair.sentence1 not in firsts:
            firsts.append(pair.sentence1)
    out = []
    for first in firsts:
        positives = [p.sentence2 for p in pairs if p.sentence1 == first and p.label == 1]
        negatives = [p.sentence2 for p in pairs if p.sentence1 == first and p.label == 0]
        for other in positives:
            out.append((first, other, 1))
        for other in negatives:
            out.append((first, other, 0))
        if positives and negatives:
            new_positive, new_negative = [], []
            for i in range(len(positives)):
                for j in range(i + 1, len(positives)):
                    new_positive.append((positives[i], positives[j], 1))
            for positive in positives:
                for negative in negatives:
                    new_negative.append((positive, negative, 0))
            r = len(positives) / len(negatives)
            keep_positive, keep_negative = int(len(new_negative) * r), int(len(new_positive) / r)
            out += new_positive[:keep_positive] + new_negative[:keep_negative]
    return [Pair(*row) for row in out]


def test_two_positives_and_one_negative():
    rows = [Pair("s", "p1", 1), Pair("s", "n", 0), Pair("s", "p2", 1)]
    # r = 2: all of one new positive (at most 2 * 2), and int(1 / 2) = 0 of two new negatives
    assert list(augment_pairs(rows)) == [Pair("s", "p1", 1), Pair("s", "p2", 1), Pair("s", "n", 0), Pair("p1", "p2", 1)]


def test_one_positive_implies_no_pair_of_positives_and_so_no_negative():
    assert implied_pairs(["p"], ["n1", "n2"]) == []


def test_a_group_with_one_label_implies_nothing():
    assert implied_pairs(["p1", "p2", "p3"], []) == []
    assert implied_pairs([], ["n1", "n2"]) == []


def test_the_cut_keeps_the_ratio_of_the_group():
    positives, negatives = [f"p{k}" for k in range(4)], [f"n{k}" for k in range(2)]
    new = implied_pairs(positives, negatives)
    labels = Counter(pair.label for pair in new)
    assert labels == {1: 6, 0: 3}
    assert [(pair.sentence1, pair.sentence2) for pair in new[:6]] == list(itertools.combinations(positives, 2))


def test_groups_keep_the_order_in_which_they_first_occur():
    rows = [Pair("b", "1", 0), Pair("a", "2", 1), Pair("b", "3", 1)]
    assert [pair.sentence1 for pair in list(augment_pairs(rows))] == ["b", "b", "a"]


def test_it_equals_the_slow_reference_on_random_groups():
    rng = random.Random(11)
    for _ in range(60):
        rows = [
            Pair(rng.choice("abcde"), rng.choice("uvwxyz") + str(k), rng.choice((0, 1)))
            for k in range(rng.randrange(40))
        ]
        assert list(augment_pairs(rows)) == slow_reference(rows)


def test_the_order_of_rows_within_a_label_is_all_that_matters():
    rows = [Pair("s", "p1", 1), Pair("s", "p2", 1), Pair("s", "n1", 0), Pair("s", "n2", 0)]
    assert list(augment_pairs(rows)) == list(augment_pairs([rows[2], rows[0], rows[3], rows[1]]))


def test_every_row_needs_a_label(tmp_path, capsys):
    (tmp_path / "test.tsv").write_text("甲\t乙\n", encoding="utf-8")
    with pytest.raises(DataError, match="no label"):
        read_pairs(tmp_path / "test.tsv", labelled=True)
    arguments = ["augment", "--input", str(tmp_path / "test.tsv"), "--output", str(tmp_path / "out.csv")]
    assert run_main(main, arguments) == 2
    assert "test.tsv:1: no label" in capsys.readouterr().err


def git_blob(path):
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


@pytest.mark.stage
@pytest.mark.skipif(not CORPORA.is_file(), reason=f"the real corpora are not at {CORPORA}")
def test_lcqmc_converts_and_augments_to_the_published_bytes(tmp_path, capsys):
    with lzma.open(CORPORA) as packed, tarfile.open(fileobj=packed) as archive:
        raw = next(
            archive.extractfile(entry).read() for entry in archive if entry.name.lower().endswith("lcqmc/train.tsv")
        )
    (tmp_path / "train.tsv").write_bytes(raw)
    converted, augmented = tmp_path / "train.csv", tmp_path / "augmented.csv"
    arguments = ["convert", "--corpus", "LCQMC", "--input", str(tmp_path / "train.tsv"), "--output", str(converted)]
    assert run_main(main, arguments) == 0
    assert git_blob(converted) == "0a217434c9497b855476f463803588e77a8a1380"
    assert run_main(main, ["augment", "--input", str(converted), "--output", str(augmented)]) == 0
    assert git_blob(augmented) == "86c9b9ea3a9be36f4d1d8c40281d149f6bf78a7c"
    assert '"positive": 146703, "rows": 250490' in capsys.readouterr().out


def test_augmenting_writes_what_reads_back(tmp_path):
    rows = [Pair("s", "p,1", 1), Pair("s", 'p"2', 1), Pair("s", "n", 0)]
    write_pairs_csv(tmp_path / "in.csv", rows)
    assert run_main(main, ["augment", "--input", str(tmp_path / "in.csv"), "--output", str(tmp_path / "out.csv")]) == 0
    assert read_pairs(tmp_path / "out.csv") == list(augment_pairs(rows))
