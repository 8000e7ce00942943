"""Headers and keys: one list of names for every reader, and a row that only reads like names stays a row."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from corpora_support import convert, read

from final_project.data.files.column_names import SENTENCES, is_header
from final_project.data.files.tables import read_pairs, write_pairs_csv
from final_project.data.records import Pair
from final_project.errors import DataError

OPEN = [Pair("怎么退货", "如何退掉商品"), Pair("多少钱", "贵吗")]
LABELLED = [Pair("怎么退货", "如何退掉商品", 1), Pair("多少钱", "贵吗", 0)]
NAMES = [*SENTENCES, ("Query", "TITLE"), (" Text A ", "text-b"), ("句子１", "句子２"), ("Sentence 1", "sentence_2")]


def table(header, pairs, separator="\t"):
    rows = [[p.sentence1, p.sentence2, *([] if p.label is None else [str(p.label)])] for p in pairs]
    return "".join(separator.join(row) + "\n" for row in [header, *rows])


@pytest.mark.parametrize("names", NAMES)
@pytest.mark.parametrize("bom", ["", "\ufeff"])
def test_every_reader_knows_every_name(tmp_path, names, bom):
    for pairs, header in ((OPEN, [*names]), (LABELLED, [*names, "label"])):
        (tmp_path / "a.txt").write_text(bom + table(header, pairs), encoding="utf-8")
        (tmp_path / "a.csv").write_text(bom + table(header, pairs, ","), encoding="utf-8")
        keys = [dict(zip(header, (p.sentence1, p.sentence2, p.label), strict=False)) for p in pairs]
        (tmp_path / "a.jsonl").write_text(bom + "".join(json.dumps(row) + "\n" for row in keys), encoding="utf-8")
        pd.DataFrame(keys).to_parquet(tmp_path / "a.parquet")
        for name in ("a.txt", "a.csv", "a.jsonl", "a.parquet"):
            assert read_pairs(tmp_path / name) == pairs, name
        for name in ("a.txt", "a.csv", "a.jsonl"):
            assert read("LCQMC", tmp_path / name) == pairs, name


def test_an_unlabelled_table_with_query_and_title_has_no_row_more(tmp_path, capsys):
    (tmp_path / "test.tsv").write_text(table(["query", "title"], OPEN), encoding="utf-8")
    assert read_pairs(tmp_path / "test.tsv") == OPEN
    status, answer, _ = convert(capsys, "LCQMC", [tmp_path / "test.tsv"], tmp_path / "out.csv")
    assert status == 0 and answer["rows"] == 2
    assert read_pairs(tmp_path / "out.csv") == OPEN


@pytest.mark.parametrize(
    "row",
    [
        "text1\t怎么办",
        "怎么办\ttitle",
        "query\tquery",
        "query\ttitle\t1",
        "source\ttarget\t0",
        "查询\t标题",
    ],
)
def test_a_pair_that_reads_like_names_stays_a_pair(tmp_path, row):
    columns = row.split("\t")
    expected = Pair(columns[0], columns[1], int(columns[2]) if len(columns) == 3 else None)
    others = "甲\t乙" + ("\t1" if len(columns) == 3 else "")
    (tmp_path / "a.tsv").write_text(f"{row}\n{others}\n", encoding="utf-8")
    assert read_pairs(tmp_path / "a.tsv")[0] == expected
    assert read("LCQMC", tmp_path / "a.tsv")[0] == expected


@pytest.mark.parametrize("separator", ["\t", ","])
@pytest.mark.parametrize(
    "order", [[2, 0, 1], [1, 0, 2], [3, 1, 2, 0], [0, 3, 1, 2, 4]], ids=["label first", "swapped", "id last", "mixed"]
)
def test_columns_are_found_by_name_in_any_order(tmp_path, separator, order):
    def cells(a, b, label):
        return [(a, b, label, "17", "医疗")[place] for place in order]

    rows = [
        cells("sentence1", "sentence2", "label"),
        *(cells(p.sentence1, p.sentence2, str(p.label)) for p in LABELLED),
    ]
    rows[0] = [{"17": "id", "医疗": "category"}.get(cell, cell) for cell in rows[0]]
    path = tmp_path / ("a.csv" if separator == "," else "a.tsv")
    path.write_text("".join(separator.join(row) + "\n" for row in rows), encoding="utf-8")
    assert read_pairs(path) == LABELLED == read("LCQMC", path)


def test_a_column_source_among_text_columns_is_the_origin_of_a_row(tmp_path):
    header, row = "source,sentence1,sentence2,target", "新闻,甲,乙,1"
    (tmp_path / "a.csv").write_text(f"{header}\n{row}\n", encoding="utf-8")
    (tmp_path / "a.jsonl").write_text(json.dumps(dict(zip(header.split(","), row.split(","), strict=True))) + "\n")
    for name in ("a.csv", "a.jsonl"):
        assert read_pairs(tmp_path / name) == [Pair("甲", "乙")] == read("LCQMC", tmp_path / name)


@pytest.mark.parametrize(
    ("name", "text", "where", "said"),
    [
        (
            "a.csv",
            "foo,bar,label\n甲,乙,1\n",
            1,
            "expected the header sentence1,sentence2,label, found 'foo,bar",
        ),
        ("a.csv", "甲,乙\n丙,丁\n", 1, "expected the header"),
        ("a.tsv", "甲\t乙\nquery\ttitle\n丙\t丁\n", 2, "a header between rows, 'query' and 'title': leave it out"),
        ("a.tsv", "query\ttitle\n甲\t乙\n\ufeffquery\ttitle\n", 3, "the header of line 1 again"),
        ("a.csv", "text1,text2,id\n甲,乙,1\ntext1,text2,id\n", 3, "the header of line 1 again"),
        ("a.tsv", '"query"\t"title"\n"甲"\t"乙"\n', 1, "the header is quoted, so texts may be too"),
        ("a.jsonl", '{"query": "甲", "text2": "乙"}\n', 1, "missing key 'text1'; found query, text2"),
        ("a.jsonl", '{"premise": "甲"}\n', 1, "missing key 'hypothesis'"),
        ("a.jsonl", '{"甲": "乙"}\n', 1, "missing key 'sentence1'; found 甲"),
        ("a.tsv", "query\ttitle\n", 1, "a header and no rows"),
    ],
)
def test_a_header_that_is_none_and_one_between_rows_are_refused(tmp_path, name, text, where, said):
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError) as caught:
        read_pairs(tmp_path / name)
    assert str(caught.value).startswith(f"{tmp_path / name}:{where}: ") and said in str(caught.value)


def test_two_files_joined_with_their_headers_are_refused_by_convert_too(tmp_path):
    (tmp_path / "test.tsv").write_text(2 * table(["query", "title"], OPEN), encoding="utf-8")
    with pytest.raises(DataError, match=r"test\.tsv:4: a header between rows"):
        read("LCQMC", tmp_path / "test.tsv")


def test_the_contest_file_without_its_words_is_pairs_by_query_and_title(tmp_path):
    rows = [{"id": 3, "query": p.sentence1, "title": p.sentence2, "label": p.label} for p in LABELLED]
    (tmp_path / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert read_pairs(tmp_path / "a.jsonl") == LABELLED


def test_what_we_write_ourselves_is_never_taken_for_a_header_between_rows(tmp_path):
    pairs = [Pair("sentence1", "sentence2"), Pair("query", "title"), Pair("甲", "乙")]
    write_pairs_csv(tmp_path / "a.csv", pairs)
    assert read_pairs(tmp_path / "a.csv") == pairs


def test_two_names_of_one_kind_or_two_leading_names_make_a_header():
    assert is_header(["id", "Text A", "文本", "text_b"]) and is_header(["query", "sentence2"])
    assert not is_header(["id", "query", "sentence2"]) and not is_header(["甲", "乙"]) and not is_header([])
