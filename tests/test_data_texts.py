"""Text that is not text: the same check in every reader, and formats told apart by their content."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from corpora_support import read

from final_project.__main__ import main
from final_project.cli import run_main
from final_project.data.files.contest import read_segmented
from final_project.data.files.plain_text import text_pairs
from final_project.data.files.tables import read_pairs, write_pairs_csv
from final_project.data.records import Pair
from final_project.data.texts import why_no_text
from final_project.errors import DataError, RecipeError
from final_project.recipe import load_recipe

HALF = "half a surrogate pair"
NO_TEXT = {"a\0b": "NUL character", "\ud83d": HALF, "\udcfe乙": HALF, " \u3000": "empty"}


@pytest.mark.parametrize(
    ("value", "said"),
    [
        *NO_TEXT.items(),
        (None, "must be a string, found nothing"),
        (float("nan"), "must be a string, found nan"),
        (7, "must be a string, found 7"),
        (b"a", "must be a string, found bytes"),
        (["a"], "must be a string, found list"),
    ],
)
def test_a_value_that_is_not_text_is_reported(value, said):
    assert said in why_no_text(value)


@pytest.mark.parametrize("text", ["甲", "😀", "a\x08b", "\ufeff", "\u2028甲", "甲\x85乙", "a\r\nb", " a", "\u200b"])
def test_what_is_odd_and_still_text_passes_and_survives_a_csv(tmp_path, text):
    assert why_no_text(text) is None
    write_pairs_csv(tmp_path / "a.csv", [Pair(text, "x" + text, 1)])
    assert read_pairs(tmp_path / "a.csv") == [Pair(text, "x" + text, 1)]


@pytest.mark.parametrize("bad", NO_TEXT)
def test_json_of_every_kind_refuses_it_with_file_and_line(tmp_path, bad):
    good = {"sentence1": "甲", "sentence2": "乙"}
    lines = [good, good | {"sentence2": bad}]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in lines))
    contest = {"id": 1, "query": "甲", "title": bad, "text_q_seg": ["甲"], "text_t_seg": [bad]}
    (tmp_path / "c.jsonl").write_text(json.dumps(contest) + "\n")
    (tmp_path / "array.json").write_text("[" + ",\n".join(map(json.dumps, lines)) + "]")
    for reader, name, line in (
        (read_pairs, "a.jsonl", 2),
        (lambda path: read("LCQMC", path), "a.jsonl", 2),
        (lambda path: read("LCQMC", path), "array.json", 2),
        (read_pairs, "c.jsonl", 1),
        (read_segmented, "c.jsonl", 1),
    ):
        with pytest.raises(DataError) as caught:
            reader(tmp_path / name)
        assert str(caught.value).startswith(f"{tmp_path / name}:{line}: ") and NO_TEXT[bad] in str(caught.value)


@pytest.mark.parametrize("bad", ["甲甲甲\0", "\ud83d甲甲甲"])
def test_plain_text_in_json_refuses_it(tmp_path, bad):
    (tmp_path / "a.jsonl").write_text('"好好好好"\n' + json.dumps({"x": ["", bad]}) + "\n")
    with pytest.raises(DataError, match=r"a\.jsonl:2: a string here holds"):
        list(text_pairs(tmp_path / "a.jsonl"))


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("a\0", "NUL"),
        (" ", "sentence 2 is empty"),
        (None, "sentence2 must be a string, found nothing"),
        (b"a", "bytes"),
    ],
)
def test_parquet_refuses_it_with_the_row(tmp_path, value, said):
    pd.DataFrame({"sentence1": ["甲"], "sentence2": [value]}).to_parquet(tmp_path / "a.parquet")
    with pytest.raises(DataError, match=r"a\.parquet:1: ") as caught:
        read_pairs(tmp_path / "a.parquet")
    assert said in str(caught.value)


def test_prepare_refuses_what_posttrain_would(tmp_path, capsys):
    (tmp_path / "a.jsonl").write_text('{"sentence1": "a\\u0000", "sentence2": "b", "label": 1}\n')
    settings = [f"runs_dir={tmp_path}", f"prepare.train_file={tmp_path / 'a.jsonl'}", "name=x"]
    assert run_main(main, ["prepare", "--recipe", "demo", "--", *settings]) == 2
    assert "a.jsonl:1: sentence 1 holds a NUL character" in capsys.readouterr().err
    assert not (tmp_path / "x" / "prepare" / "text.tsv").exists()


def test_settings_are_text_as_well(tmp_path):
    for setting in ("name=a\udcff", "prepare.train_file=a\0"):
        with pytest.raises(RecipeError, match=r"holds (half a surrogate pair|a NUL)"):
            load_recipe("demo", [setting])
    (tmp_path / "r.yaml").write_text('name: "a\\0"\nprepare:\n  keep_out: ["A", "\\0"]\n')
    with pytest.raises(RecipeError) as caught:
        load_recipe(str(tmp_path / "r.yaml"))
    assert "r.yaml:1: name holds a NUL" in str(caught.value) and "r.yaml:3: prepare.keep_out holds a NUL" in str(
        caught.value
    )


FIRST_SENTENCES = [
    *('{"a": 1}', '{"sentence1": "b"}', "{名字}怎么改", "{", "{}", '{"怎么', "[图片]怎么看", "[", "[{", '["a"]', "[1]"),
    *("PAR1 是什么", "PAR1", '"怎么', "'", "<TrainCorpus>", "sentence1", "#", "甲\u2028乙", "甲\x85乙", "1,2", "甲\rb"),
]  # fmt: skip


@pytest.mark.parametrize("sentence", FIRST_SENTENCES)
@pytest.mark.parametrize("label", [None, 1])
def test_a_table_is_one_whatever_its_first_sentence_begins_with(tmp_path, sentence, label):
    pairs = [Pair(sentence, "乙", label), Pair("丙", sentence, label)]
    rows = ["\t".join([p.sentence1, p.sentence2, *([] if label is None else ["1"])]) for p in pairs]
    for name in ("a.tsv", "a.txt", "a.csv"):
        (tmp_path / name).write_bytes("".join(f"{row}\n" for row in rows).encode())
        assert read_pairs(tmp_path / name) == pairs
        if not sentence.startswith("<"):
            assert read("LCQMC", tmp_path / name) == pairs


def test_a_csv_may_hold_tabs_and_braces_in_its_first_sentence(tmp_path):
    pairs = [Pair("a\tb", '{"c": "\t"}', 1), Pair("\t[x", "y", 0)]
    write_pairs_csv(tmp_path / "a.csv", pairs)
    assert read_pairs(tmp_path / "a.csv") == pairs == read("CHIP2019", tmp_path / "a.csv")


@pytest.mark.parametrize("text", ['{"sentence1":\t"甲",\t"sentence2":\t"乙"}\n', '{\t"query": "甲", "title": "乙"}\n'])
def test_json_with_tabs_between_its_tokens_is_json(tmp_path, text):
    (tmp_path / "a.jsonl").write_text(text, encoding="utf-8")
    assert read_pairs(tmp_path / "a.jsonl") == [Pair("甲", "乙")] == read("LCQMC", tmp_path / "a.jsonl")
    (tmp_path / "b.jsonl").write_text('{"sentence1": "甲",\t"sentence2": \n', encoding="utf-8")
    with pytest.raises(DataError, match=r"b\.jsonl:1: broken JSON"):
        read_pairs(tmp_path / "b.jsonl")


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32"])
def test_utf_16_without_a_mark_and_utf_32_are_one_message(tmp_path, encoding):
    (tmp_path / "a.tsv").write_bytes("甲\t乙\n".encode(encoding))
    with pytest.raises(DataError, match=r"a\.tsv:1: .*UTF-8"):
        read_pairs(tmp_path / "a.tsv")


def test_lines_that_end_in_a_bare_cr_are_reported(tmp_path):
    (tmp_path / "a.tsv").write_bytes("甲\t乙\r丙\t丁\t0\r戊".encode())
    with pytest.raises(DataError, match=r"found 4 \(lines end in a bare CR: expected LF or CRLF\)"):
        read_pairs(tmp_path / "a.tsv")


@pytest.mark.parametrize("inside", ["a\r\nb", "a\n  \nb", "a\r\n\r\nb", "a\n\nb", "\r\na", "a\rb", "a\n", "a\r\n"])
def test_line_ends_inside_a_quoted_sentence_survive(tmp_path, inside):
    pairs = [Pair(inside, "x" + inside, 1), Pair("乙", inside + "y", 0)]
    write_pairs_csv(tmp_path / "a.csv", pairs)
    assert read_pairs(tmp_path / "a.csv") == pairs == read("CHIP2019", tmp_path / "a.csv")
    windows = f'sentence1,sentence2,label\r\n"{inside}",乙,1\r\n\r\n甲,"{inside}",0\r\n'
    (tmp_path / "w.csv").write_bytes(windows.encode())
    assert read_pairs(tmp_path / "w.csv") == [Pair(inside, "乙", 1), Pair("甲", inside, 0)]


def test_an_article_longer_than_csvs_own_limit_is_read_back(tmp_path):
    pairs = [Pair("长" * 200_000, '"' * 150_000, 1)]
    write_pairs_csv(tmp_path / "a.csv", pairs)
    assert read_pairs(tmp_path / "a.csv") == pairs


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ('{"sentence1": "a", "sentence2": "b", "x": NaN}', "finite number"),
        ('{"sentence1": "a", "sentence2": "b", "x": -1e999}', "finite number"),
        ('{"sentence1": "a", "sentence2": "b", "sentence2": "c"}', "key 'sentence2' twice"),
    ],
)
def test_json_that_is_none_is_refused(tmp_path, row, said):
    (tmp_path / "a.jsonl").write_text(row + "\n")
    with pytest.raises(DataError, match=r"a\.jsonl:1: broken JSON: ") as caught:
        read_pairs(tmp_path / "a.jsonl")
    assert said in str(caught.value)
