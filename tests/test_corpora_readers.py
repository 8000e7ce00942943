"""Sixteen corpora as they come: what is registered, and that each form gives its pairs."""

from __future__ import annotations

import itertools
import tracemalloc
from collections import Counter

import pytest
from corpora_support import FORMS, NAMES, NO, OPEN, PLAIN, READERS, SAMPLES, YES, read, read_text, write

from final_project.data.corpora.registry import CORPORA, find_corpus
from final_project.data.records import Pair
from final_project.errors import DataError

# What is registered


def test_the_sixteen_corpora_are_registered_under_their_names():
    assert list(CORPORA) == NAMES
    assert sum(sum(corpus.counts) for corpus in CORPORA.values()) == 2_412_728


@pytest.mark.parametrize(
    "corpus", [corpus for corpus in CORPORA.values() if corpus.name != "SOHU_2021"], ids=lambda corpus: corpus.name
)
def test_the_parts_that_the_collection_merged_add_up_to_its_counts(corpus):
    counts = [part.counts for part in corpus.parts if part.merged and not part.inside]
    assert tuple(map(sum, zip(*counts, strict=True))) == corpus.counts


@pytest.mark.parametrize("corpus", CORPORA.values(), ids=lambda corpus: corpus.name)
def test_an_entry_says_all_that_a_user_needs(corpus):
    for said in (corpus.raw_format, corpus.label_rule, corpus.licence, corpus.source, corpus.citation):
        assert len(said) > 5 or said == "as given"
    names = [part.name for part in corpus.parts]
    files = [file for part in corpus.parts for file in part.files]
    assert len(set(names)) == len(names) and len(set(files)) == len(files)
    assert {part.inside for part in corpus.parts} <= {"", *names}


# Every form


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.corpus}-{form.name}")
def test_every_raw_form_gives_its_pairs(tmp_path, form):
    assert read(form.corpus, write(tmp_path, form)) == form.pairs


def test_every_corpus_has_a_made_up_file():
    assert {form.corpus for form in FORMS} == set(NAMES)


PLAIN_FORMS = {
    "bare": PLAIN,
    "header": "sentence1\tsentence2\tlabel\n" + PLAIN,
    "BOM and CRLF": "\ufeff" + PLAIN.replace("\n", "\r\n"),
    "blank first line, open last one": "\n" + PLAIN.rstrip("\n"),
    "as our own CSV": "sentence1,sentence2,label\n" + PLAIN.replace("\t", ","),
}


@pytest.mark.parametrize("corpus", NAMES)
def test_every_corpus_reads_the_collections_plain_form(tmp_path, corpus):
    found = {name: read_text(tmp_path, corpus, text) for name, text in PLAIN_FORMS.items()}
    assert all(pairs == [YES, NO] for pairs in found.values()), found


@pytest.mark.parametrize("corpus", [name for name in READERS if name != "Chinese-STS-B"])
def test_pairs_come_one_at_a_time(tmp_path, corpus):
    path = tmp_path / "train.txt"
    path.write_text(PLAIN * 2 + "a row of one column\n", encoding="utf-8")
    pairs = CORPORA[corpus].read(path)
    assert [next(pairs) for _ in range(4)] == [YES, NO, YES, NO]
    with pytest.raises(DataError, match=r"train\.txt:5: expected 3 tab-separated columns, found 1"):
        next(pairs)


def test_a_large_file_is_never_held_in_memory(tmp_path):
    (tmp_path / "train.tsv").write_text(PLAIN * 10_000, encoding="utf-8")
    tracemalloc.start()
    try:
        n_rows = sum(1 for _ in CORPORA["LCQMC"].read(tmp_path / "train.tsv"))
        assert n_rows == 20_000 and tracemalloc.get_traced_memory()[1] < 1_000_000
    finally:
        tracemalloc.stop()


# What content decides


def test_ths_takes_for_the_label_the_column_that_holds_only_labels(tmp_path):
    assert read_text(tmp_path, "THS2021", "1\t0\t1\n0\t甲\t乙\n") == [Pair("0", "1", 1), Pair("甲", "乙", 0)]
    assert read_text(tmp_path, "THS2021", "1\t0\t1\n甲\t乙\t0\n") == [Pair("1", "0", 1), Pair("甲", "乙", 0)]


def test_ccks_tells_an_id_from_a_sentence_by_the_label(tmp_path):
    assert read_text(tmp_path, "CCKS2018_Task3", "10\t20\t1\n甲\t乙\t0\n")[0] == Pair("10", "20", 1)
    assert read_text(tmp_path, "CCKS2018_Task3", "10\t20\t1\n11\t甲\t乙\n")[0] == Pair("20", "1")


def test_sts_b_scores_are_known_by_any_third_column_that_is_no_label(tmp_path):
    rows = "甲\t乙\t1\n甲\t丙\t0\n" * 50
    assert [pair.label for pair in read_text(tmp_path, "Chinese-STS-B", rows)] == [1, 0] * 50
    assert [pair.label for pair in read_text(tmp_path, "Chinese-STS-B", rows + "甲\t丁\t4\n")] == [0, 0] * 50
    with pytest.raises(DataError, match=r"train\.txt:101: label must be 0 or 1, found '6'"):
        read_text(tmp_path, "Chinese-STS-B", rows + "甲\t丁\t6\n")


def test_an_original_file_of_sts_b_holds_scores_even_where_all_are_0_or_1(tmp_path):
    rows = "2012test-0024||飞机起飞了||一架飞机起飞||1\n2012test-0025||甲说||乙说||0\n"
    assert [pair.label for pair in read_text(tmp_path, "Chinese-STS-B", rows)] == [0, 0]


@pytest.mark.parametrize("name", ["PAWS-X zh", "paws-x", "PKU Paraphrase Bank", "chinese_sts_b", "lcqmc"])
def test_a_corpus_is_found_by_any_of_its_names(name):
    assert find_corpus(name).name in ("PAWSX", "PKU_Paraphrase_Bank", "Chinese-STS-B", "LCQMC")


@pytest.mark.parametrize("corpus", READERS)
def test_a_sentence_that_begins_like_another_format_is_still_a_sentence(tmp_path, corpus):
    for sentence in ("<p>怎么办", "{怎么办}", "[机构]怎么办", "怎么||办", "a,b"):
        text = f"{sentence}\t{sentence}\t1\n" + PLAIN
        assert read_text(tmp_path, corpus, text, "train.csv") == [Pair(sentence, sentence, 1), YES, NO]


def test_words_and_numbers_are_not_mixed_as_labels(tmp_path):
    with pytest.raises(DataError, match=r":2: label must be entailment, neutral, contradiction or -, found '1'"):
        read_text(tmp_path, "OCNLI", "甲\t乙\tneutral\n甲\t乙\t1\n")


def test_numbers_in_place_of_words_are_read_but_are_no_text_to_train_on(tmp_path):
    corpus = CORPORA["GAIIC2021_Task3"]
    numbers = next(form for form in FORMS if form.name == "round1.tsv")
    path = write(tmp_path, numbers)
    assert list(corpus.read(path)) == numbers.pairs
    assert "numbers of a vocabulary that was never published" in corpus.why_not_text(path)
    path.write_text("12 5\t239\t1\n" + PLAIN, encoding="utf-8")
    assert corpus.why_not_text(path) is None


def test_a_column_of_empty_labels_is_that_of_an_unlabelled_set(tmp_path):
    assert read_text(tmp_path, "LCQMC", "".join(f"{a.sentence1}\t{a.sentence2}\t\n" for a in OPEN)) == OPEN


# The real samples


@pytest.mark.parametrize(
    ("corpus", "file", "positive", "negative", "unlabelled"),
    [
        ("DIAC2019", "dev_set.head200.csv", 0, 0, 200),
        ("CCKS2018_Task3", "BQ_dev.head200.csv", 95, 105, 0),
        ("CCKS2018_Task3", "task3_dev.head200.txt", 0, 0, 200),
        ("LCQMC", "train.head300.tsv", 171, 129, 0),
        ("LCQMC", "test_unlabelled.head100.tsv", 0, 0, 100),
        ("AFQMC", "dev.head300.json", 100, 200, 0),
        ("AFQMC", "test.head100.json", 0, 0, 100),
        ("GAIIC2021_Task3", "OPPO_xiaobu_dev.head300.txt", 77, 223, 0),
        ("GAIIC2021_Task3", "gaiic_track3_round1_testA.head300.tsv", 0, 0, 300),
        ("THS2021", "train.head300.tsv", 76, 224, 0),
        ("THS2021", "test.head100.tsv", 0, 0, 100),
        ("CHIP2019", "train.head300.csv", 149, 151, 0),
        ("CHIP2019", "dev_id.head100.csv", 0, 0, 100),
        ("SOHU_2021", "samples_ssA.head300.txt", 114, 186, 0),
        ("SOHU_2021", "test_final_example.txt", 0, 0, 51),
        ("COVID19", "train.head300.csv", 120, 180, 0),
        ("COVID19", "dev.head100.csv", 40, 60, 0),
        ("COVID19", "test.example.csv", 0, 0, 5),
        ("PAWSX", "dev_2k.head200.tsv", 94, 106, 0),
        ("XF2021", "train.head300.csv", 186, 114, 0),
        ("XF2021", "test.head100.csv", 0, 0, 100),
        ("Chinese-MNLI", "dev.head200.txt", 86, 114, 0),
        ("Chinese-SNLI", "dev.head200.txt", 65, 135, 0),
        ("Chinese-STS-B", "cnsd-sts-train.head300.txt", 22, 147, 0),
        ("OCNLI", "dev.head200.json", 57, 142, 0),
        ("OCNLI", "dev.dash_rows.json", 0, 0, 0),
        ("OCNLI", "train.3k.head200.json", 65, 135, 0),
        ("OCNLI", "test.head50.json", 0, 0, 50),
        ("PKU_Paraphrase_Bank", "readme_3rows.txt", 3, 0, 0),
    ],
)
def test_every_corpus_reads_its_samples(corpus, file, positive, negative, unlabelled):
    labels = Counter(pair.label for pair in read(corpus, sample(corpus, file)))
    assert (labels[1], labels[0], labels[None]) == (positive, negative, unlabelled)


def sample(corpus, file):
    path = SAMPLES / corpus / file
    if not path.is_file():
        pytest.skip(f"the samples of the real corpora are not at {SAMPLES}")
    return path


def test_the_first_400_lines_of_diac_are_whole_groups_up_to_where_they_break_off():
    path, pairs = sample("DIAC2019", "train_set.head400lines.xml"), []
    with pytest.raises(DataError, match=r"head400lines\.xml:40\d: broken XML"):
        pairs.extend(CORPORA["DIAC2019"].read(path))  # extend keeps what came before the fault
    same = {(pair.sentence1, pair.sentence2) for pair in pairs if pair.label == 1}
    assert len(same) > 100 and same == {(two, one) for one, two in same}


def test_the_samples_have_the_structure_that_is_written_down():
    firsts = [pair.sentence1 for pair in read("COVID19", sample("COVID19", "train.head300.csv"))]
    assert max(len(list(block)) for _, block in itertools.groupby(firsts)) >= 5
    sohu = read("SOHU_2021", sample("SOHU_2021", "samples_ssA.head300.txt"))
    assert any(pair.sentence2.startswith(" ") for pair in sohu), "white space is the corpus's own and stays"
    assert max(len(pair.sentence1) for pair in sohu) > 100
    afqmc = read("AFQMC", sample("AFQMC", "test.head100.json"))
    assert any("***" in pair.sentence2 for pair in afqmc)
    chip = read("CHIP2019", sample("CHIP2019", "train.head300.csv"))
    assert not any('""' in pair.sentence1 or pair.sentence2 in ("0", "1") for pair in chip)
    numbers = sample("GAIIC2021_Task3", "gaiic_track3_round1_testA.head300.tsv")
    assert CORPORA["GAIIC2021_Task3"].why_not_text(numbers)
    assert CORPORA["GAIIC2021_Task3"].why_not_text(sample("GAIIC2021_Task3", "OPPO_xiaobu_dev.head300.txt")) is None
