"""Bad input to every reader: one message with file and line, soon, and without filling the memory."""

from __future__ import annotations

import json
import time

import pytest
from corpora_support import GROUPS, NAMES, PLAIN, READERS, raw_form, read, read_text

from final_project.errors import DataError

LONG = 100_000_000


@pytest.fixture(scope="module")
def file_of_one_long_line(tmp_path_factory):
    path = tmp_path_factory.mktemp("long") / "train.txt"
    path.write_bytes(b"x" * LONG)
    return path


EVERYWHERE = {
    "an empty file": (b"", None, "the file is empty"),
    "blank lines": (b"\n \r\n", None, "the file holds no text"),
    "only a BOM": (b"\xef\xbb\xbf", None, "the file holds no text"),
    "another encoding": ("Où est l'été\tcafé\t1\n".encode("latin-1"), 1, "not UTF-8"),
    "UTF-16": (PLAIN.encode("utf-16-le"), 1, "NUL byte: not a text file"),
    "an encoding that changes": (PLAIN.encode() + PLAIN.encode("gb18030"), 3, "not UTF-8"),
    "a NUL byte": (PLAIN.encode() + b"a\0\tb\t1\n", 3, "NUL byte: not a text file"),
    "one column": (PLAIN.encode() + "甲\n".encode(), 3, "expected 3 tab-separated columns, found 1"),
    "five columns": (b"a\tb\tc\td\te\n", 1, "tab-separated columns, found 5"),
    "a column more": (PLAIN.encode() + b"a\tb\t1\tc\n", 3, "expected 3 tab-separated columns, found 4"),
    "an unknown label": (PLAIN.encode() + b"a\tb\tyes\n", 3, "label must be 0 or 1, found 'yes'"),
    "an empty sentence": (PLAIN.encode() + b"a\t \t1\n", 3, "sentence 2 is empty"),
    "an empty first sentence": (PLAIN.encode() + b"\tb\t1\n", 3, "sentence 1 is empty"),
    "a header and no rows": (b"sentence1\tsentence2\tlabel\n", 1, "a header and no rows"),
    "a header in the middle": (PLAIN.encode() + b"sentence1\tsentence2\tlabel\n", 3, "label must be 0 or 1"),
    "truncated JSON": (b'{"sentence1": "a", "sentence2"', 1, "broken JSON"),
    "a JSON key lost": (b'{"sentence1": "a", "label": "1"}', 1, "missing key 'sentence2'; found sentence1, label"),
    "an empty JSON field": (b'{"sentence1": "", "sentence2": "b"}', 1, "sentence 1 is empty"),
    "a JSON field of another kind": (b'{"sentence1": ["a"], "sentence2": "b"}', 1, "must be a string, found list"),
    "a JSON label of another kind": (b'{"sentence1": "a", "sentence2": "b", "label": true}', 1, "found True"),
    "an unknown JSON label": (b'{"sentence1": "a", "sentence2": "b", "label": 7}', 1, "label must be"),
    "two JSON labels": (b'{"sentence1": "a", "sentence2": "b", "labelA": 0, "labelB": 1}', 1, "labelA and labelB"),
    "nested JSON": (b'{"sentence1":' * 100_000, 1, "broken JSON"),
    "a nested JSON label": (b'{"sentence1": "a", "sentence2": "b", "label": [[0]]}', 1, "found [[0]]"),
    "a number too long": (b'{"sentence1": "a", "sentence2": "b", "label": ' + b"9" * 9999 + b"}", 1, "too long"),
    "a number too large": (b'{"sentence1": "a", "sentence2": "b", "label": 1e999}', 1, "found 1e999"),
    "half a character": (b'{"sentence1": "\\ud800", "sentence2": "b"}', 1, "half a surrogate pair"),
    "a NUL that JSON spells": (b'{"sentence1": "a\\u0000", "sentence2": "b"}', 1, "NUL character"),
    "a JSON list in a line": (b'{"sentence1": "a", "sentence2": "b"}\n[1]\n', 2, "expected a JSON object"),
    "an open JSON array": (b'[{"sentence1": "a", "sentence2": "b"},', 1, "the array never ends"),
    "a CSV column lost": (b"sentence1,sentence2,label\na,b\n", 2, "expected 3 comma-separated columns, found 2"),
    "an open CSV quote": (b'sentence1,sentence2,label\n"a,b,1\nc,d,0\n', 2, "never closed"),
    "text after a CSV quote": (b'sentence1,sentence2,label\n"a"b,c,1\n', 2, "not a CSV row"),
}


def message_of(folder, corpus, content) -> str:
    try:
        return f"read without an error: {read_text(folder, corpus, content)}"
    except DataError as error:
        return str(error)


@pytest.mark.parametrize("corpus", READERS)
def test_every_fault_is_one_message_with_file_and_line(tmp_path, corpus):
    wrong = {}
    for fault, (content, line, said) in EVERYWHERE.items():
        if corpus == "Chinese-MNLI" and fault == "an empty JSON field":  # unlabelled rows are dropped before this check
            content = content.replace(b"}", b', "label": "neutral"}')
        message = message_of(tmp_path, corpus, content)
        where = f"{tmp_path / 'train.txt'}:{line}: " if line else f"{tmp_path / 'train.txt'}: "
        is_short = "\n" not in message and len(message) < len(where) + 200
        if not (message.startswith(where) and said in message and is_short):
            wrong[fault] = message
    assert wrong == {}


@pytest.mark.parametrize("corpus", NAMES)
def test_every_corpus_refuses_an_unknown_label_and_a_lost_column_with_the_line(tmp_path, corpus):
    assert f"{tmp_path / 'train.txt'}:3: label must be 0 or 1" in message_of(tmp_path, corpus, PLAIN + "a\tb\tyes\n")
    assert f"{tmp_path / 'train.txt'}:3: expected 3 tab-separated" in message_of(tmp_path, corpus, PLAIN + "a\n")


@pytest.mark.parametrize("corpus", READERS)
def test_a_line_of_100_megabytes_is_refused(corpus, file_of_one_long_line):
    with pytest.raises(DataError, match=r"train\.txt:1: line longer than 10,000,000 bytes"):
        read(corpus, file_of_one_long_line)


@pytest.mark.parametrize("corpus", READERS)
def test_a_folder_or_nothing_in_place_of_a_file_is_reported(tmp_path, corpus):
    with pytest.raises(DataError, match="cannot read: Is a directory"):
        read(corpus, tmp_path)
    with pytest.raises(DataError, match="cannot read: No such file"):
        read(corpus, tmp_path / "absent")


@pytest.mark.parametrize("corpus", [name for name in READERS if name != "Chinese-MNLI"])
def test_a_file_where_only_some_rows_have_a_label_is_refused(tmp_path, corpus):
    with pytest.raises(DataError, match=r"train\.txt:3: no label, but earlier rows have one: label all rows or none"):
        read_text(tmp_path, corpus, PLAIN + "甲\t乙\t\n")


@pytest.mark.parametrize(
    ("corpus", "ending"),
    [
        ("DIAC2019", "stions>\n</TrainCorpus>\n"),
        ("LCQMC", "\t0\n"),
        ("CHIP2019", "0,diabetes\r\n"),
        ("AFQMC", '"}\n'),
        ("OCNLI", "}\n"),
        ("COVID19", "0\r\n"),
        ("Chinese-STS-B", "||0\n"),
        ("Chinese-SNLI", "}\n"),
        ("SOHU_2021", "}\n"),
        ("THS2021", "销银行卡"),
        ("PKU_Paraphrase_Bank", "销银行卡\n"),
    ],
)
def test_a_truncated_file_is_refused_in_its_last_line(tmp_path, corpus, ending):
    content = raw_form(corpus).text.encode()
    # One byte more than the ending: in the two that end in a sentence, it cuts a character.
    content = content[: content.rindex(ending.encode()) - (corpus in ("THS2021", "PKU_Paraphrase_Bank"))]
    with pytest.raises(DataError) as caught:
        read_text(tmp_path, corpus, content, "train")
    assert str(caught.value).startswith(f"{tmp_path / 'train'}:{len(content.splitlines())}: ")


# XML


def test_the_encoding_that_a_declaration_names_does_not_matter(tmp_path):
    pairs = raw_form("DIAC2019").pairs
    for declaration in ('encoding="utf-8"', 'encoding="GBK"', 'encoding="none"', ""):
        assert read_text(tmp_path, "DIAC2019", GROUPS.replace('encoding="utf8"', declaration)) == pairs
    assert read_text(tmp_path, "DIAC2019", "\ufeff" + GROUPS.split("?>")[1].lstrip()) == pairs


@pytest.mark.parametrize(
    ("old", "new", "line", "said"),
    [
        ("</TrainCorpus>", "", 20, "broken XML: no element found"),
        ("</Questions>\n</TrainCorpus>\n", "", 19, "broken XML: no element found"),
        ("</question>", "", 6, "expected no element inside question, found <question>"),
        ("</EquivalenceQuestions>", "</Equivalence>", 9, "broken XML: mismatched tag"),
        ("<TrainCorpus>", "<Corpus>", 2, "expected <TrainCorpus> inside the file, found <Corpus>"),
        ("<question>甲二", "<answer>甲二", 6, "expected <question> inside EquivalenceQuestions, found <answer>"),
        ("<question>丙", "text<question>丙", 12, "expected no text inside NotEquivalenceQuestions, found 'text'"),
        ("甲二 &amp; 乙", "甲二 & 乙", 6, "broken XML"),
        ("甲二 &amp; 乙", "甲二 &eacute; 乙", 6, "broken XML: undefined entity"),
        ("甲二 &amp; 乙", "甲二 \x02 乙", 6, "broken XML: not well-formed"),
        ("</TrainCorpus>", "</TrainCorpus>\n<TrainCorpus/>", 21, "broken XML: junk after document element"),
        ("\t<TrainCorpus>", "<!DOCTYPE TrainCorpus>\n<TrainCorpus>", 2, "a document type declaration"),
        ("\t<TrainCorpus>", "<!DOCTYPE a [<!ENTITY b 'c'>]><TrainCorpus>", 2, "a document type declaration"),
        ("\t<TrainCorpus>", "<!ENTITY b 'c'><TrainCorpus>", 2, "broken XML"),
    ],
)
def test_xml_that_is_not_what_it_should_be_is_refused_with_its_line(tmp_path, old, new, line, said):
    assert old in GROUPS
    with pytest.raises(DataError) as caught:
        read_text(tmp_path, "DIAC2019", GROUPS.replace(old, new, 1), "train_set.xml")
    assert f"train_set.xml:{line}: " in str(caught.value) and said in str(caught.value)


def test_entities_are_not_expanded(tmp_path):
    laughs = "".join(f'<!ENTITY l{i + 1} "{f"&l{i};" * 10}">' for i in range(9))
    bomb = f'<?xml version="1.0"?><!DOCTYPE l [<!ENTITY l0 "ha">{laughs}]><TrainCorpus>&l9;</TrainCorpus>'
    with pytest.raises(DataError, match="a document type declaration"):
        read_text(tmp_path, "DIAC2019", bomb)
    file = tmp_path / "secret"
    file.write_text("secret")
    outside = f'<!DOCTYPE l [<!ENTITY x SYSTEM "{file.as_uri()}">]><TrainCorpus>&x;</TrainCorpus>'
    with pytest.raises(DataError, match="a document type declaration"):
        read_text(tmp_path, "DIAC2019", outside)


# What must not swallow memory or time


ENDLESS = {
    "a CSV quote": ("CHIP2019", 'question1,question2,label,category\n"', "a quote opens here; not closed after"),
    "an XML tag": ("DIAC2019", '<TrainCorpus a="', "no whole tag in the next 10,000,000 characters"),
    "an XML question": (
        "DIAC2019",
        "<TrainCorpus><Questions><EquivalenceQuestions><question>",
        "no whole tag in the next 10,000,000 characters",
    ),
    "a JSON object": ("CHIP2019", '[{"text1": [', "an object begins here; no end after"),
}


@pytest.mark.parametrize("case", ENDLESS)
def test_what_opens_and_never_closes_is_given_up_in_time(tmp_path, case):
    corpus, start, said = ENDLESS[case]
    path = tmp_path / "train.csv"
    with path.open("w", encoding="utf-8") as file:
        file.write(start + "\n")
        for _ in range(40):
            file.write(("甲乙丙丁戊," * 20 + "\n") * 5_000)
    began = time.monotonic()
    with pytest.raises(DataError, match=said):
        read(corpus, path)
    assert time.monotonic() - began < 5


def test_escapes_in_a_json_array_take_time_in_proportion(tmp_path):
    row = json.dumps({"text1": '\\"' * 500_000, "text2": '}{"', "label": "1"})
    began = time.monotonic()
    assert read_text(tmp_path, "CHIP2019", f"[\n{row},\n{row}\n]\n")[1].sentence2 == '}{"'
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    ("text", "line", "said"),
    [
        ("[]", 1, r"broken array: expected \[ and an object, found '\[\]'"),
        ("[1, {}]", 1, r"broken array: expected \[ and an object"),
        ('["text1", "text2"]', 1, "broken array"),
        ("[{}\n{}]", 1, "missing key"),
        ('[{"text1": "a", "text2": "b"}\n{"text1": "a"}]', 2, "broken array: expected , and an object, found ''"),
        ('[{"text1": "a", "text2": "b"},\n]\n', 2, "broken array: expected , and an object"),
        ('[{"text1": "a", "text2": "b"}\n]]\n', 2, "broken array"),
        ('[{"text1": "a", "text2": "b"}]\n{"text1": 1}\n', 2, "broken array"),
        ('[{"text1": "a", "text2": "b"\n', 1, "an object begins here and never ends"),
        ('[{"text1": "a", "text2": "b"}\n', 1, "the array never ends: expected ], found nothing"),
        ('[{"text1": "a",\n"text2": "b",\n"label": "2"}]', 1, "label must be 0 or 1, found '2'"),
        ('[\n\n{"text1": "a"\n"text2": "b"}]', 3, "broken JSON: Expecting ',' delimiter"),
    ],
)
def test_a_broken_array_is_refused_with_the_line_where_the_object_begins(tmp_path, text, line, said):
    with pytest.raises(DataError, match=rf"train\.txt:{line}: {said}"):
        read_text(tmp_path, "CHIP2019", text)
