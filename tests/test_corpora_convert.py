"""`convert`: raw files in, one CSV and its counts out, or one message and nothing."""

from __future__ import annotations

import os
from collections import Counter

import pytest
from corpora_support import FORMS, PLAIN, Form, convert, json_lines, read, write

from final_project.data.records import Pair


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.corpus}-{form.name}")
def test_convert_writes_the_pairs_and_counts_them(tmp_path, capsys, form):
    status, answer, _ = convert(capsys, form.corpus, [write(tmp_path, form)], tmp_path / "o" / "pairs.csv")
    labels = Counter(pair.label for pair in form.pairs)
    assert status == 0
    assert answer == {
        "corpus": form.corpus,
        "rows": len(form.pairs),
        "positive": labels[1],
        "negative": labels[0],
        "unlabelled": labels[None],
        "output": str(tmp_path / "o" / "pairs.csv"),
    }
    assert read("LCQMC", tmp_path / "o" / "pairs.csv") == form.pairs


@pytest.mark.parametrize("sentence", ["两\n行", "一段\n\n\n又一段\n", "回\r车", '引"号",\r", 逗号'])
def test_line_breaks_inside_a_sentence_survive(tmp_path, capsys, sentence):
    rows = [{"source": sentence, "target": "甲", "labelA": "1"}, {"source": "乙", "target": sentence, "labelA": "0"}]
    path = write(tmp_path, Form("SOHU_2021", "train.txt", json_lines(*rows), []))
    assert convert(capsys, "SOHU_2021", [path], tmp_path / "o.csv")[0] == 0
    assert read("SOHU_2021", tmp_path / "o.csv") == [Pair(sentence, "甲", 1), Pair("乙", sentence, 0)]


def test_convert_says_that_numbers_are_no_text(tmp_path, capsys):
    numbers = next(form for form in FORMS if form.name == "round1.tsv")
    status, _, said = convert(capsys, numbers.corpus, [write(tmp_path, numbers)], tmp_path / "o.csv")
    assert status == 0 and "get the plain-text OPPO XiaoBu set" in said


def test_convert_refuses_what_would_count_twice_or_destroy_its_input(tmp_path, capsys):
    path = write(tmp_path, Form("LCQMC", "train.tsv", PLAIN, []))
    open_path = write(tmp_path, Form("LCQMC", "test.tsv", "甲\t乙\n", []))
    link = tmp_path / "link.tsv"
    link.symlink_to(path)
    output = tmp_path / "o.csv"
    for inputs, to, said in (
        ([path, link], output, "is given twice"),
        ([open_path, path], path, "is also an --input"),
        ([path, open_path], output, "has no labels where another input has some"),
        ([open_path, path], output, "has labels where another input has none"),
        ([tmp_path], output, "expected a file, found a folder or a pipe"),
        ([tmp_path / "absent.tsv"], output, "cannot read: No such file"),
    ):
        status, answer, shown = convert(capsys, "LCQMC", inputs, to)
        assert (status, answer) == (2, None) and said in shown and shown.count("error: ") == 1
        assert "Traceback" not in shown
    assert path.read_text(encoding="utf-8") == PLAIN and not output.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_convert_refuses_a_pipe_in_place_of_losing_rows(tmp_path, capsys):
    os.mkfifo(tmp_path / "pipe")
    status, _, shown = convert(capsys, "LCQMC", [tmp_path / "pipe"], tmp_path / "o.csv")
    assert status == 2 and "found a folder or a pipe" in shown


def test_a_fault_in_the_last_row_leaves_no_output(tmp_path, capsys):
    path = write(tmp_path, Form("AFQMC", "train.json", json_lines({"sentence1": "a", "sentence2": "b"}) + "{", []))
    status, _, shown = convert(capsys, "AFQMC", [path], tmp_path / "o.csv")
    assert status == 2 and "train.json:2: broken JSON" in shown
    assert [file.name for file in tmp_path.iterdir()] == ["train.json"]
