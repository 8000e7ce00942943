"""Files of texts with scores or a label: read in every form, written in one, refused with file and line."""

from __future__ import annotations

import csv
import json
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from targets_support import recipe_of, write_csv

from final_project.data.files.text_columns import TextColumns
from final_project.data.files.text_rows import iter_text_rows, read_text_rows, write_text_rows
from final_project.data.records import TextRow
from final_project.data.texts import why_no_text
from final_project.errors import DataError
from final_project.recipe import load_recipe
from final_project.settings import Targets

SCORES = TextColumns.of_prepared(Targets(names=["a", "b"]))
LABELS = TextColumns.of_prepared(Targets(kind="labels"))


def columns_of(*overrides: str) -> TextColumns:
    recipe = recipe_of(*overrides)
    return TextColumns.of_given(recipe.targets, recipe.prepare)


def refusal(path, columns=None, **options) -> str:
    with pytest.raises(DataError) as error:
        read_text_rows(path, columns or columns_of(), **options)
    return str(error.value)


def test_a_quoted_text_keeps_its_line_ends_commas_and_quotes(tmp_path):
    path = write_csv(
        tmp_path / "a.csv", 'text_id,full_text,a,b\r\nx1,"One, ""two""\n\nthree\r\nfour",1,2.5\r\nx2,5" wide,,3\r\n'
    )
    rows = list(iter_text_rows(path, columns_of()))
    assert rows[0] == (2, TextRow("x1", 'One, "two"\n\nthree\r\nfour', (1.0, 2.5)))
    assert rows[1] == (6, TextRow("x2", '5" wide', (None, 3.0)))


def test_a_tsv_may_have_quotes_over_lines_and_quotes_within_a_text(tmp_path):
    path = write_csv(
        tmp_path / "a.tsv", 'essay_id\tessay\ta\tb\n1\t"He said\n""no""\there"\t1\t2\n2\tsix 12" rows\t3\t4\n'
    )
    assert [row.text for row in read_text_rows(path, columns_of())] == ['He said\n"no"\there', 'six 12" rows']


def test_jsonl_and_parquet_give_the_same_rows(tmp_path):
    pa, pq = pytest.importorskip("pyarrow"), pytest.importorskip("pyarrow.parquet")
    values = [{"id": "x", "text": "one\ntwo", "a": 1, "b": None}, {"id": "y", "text": "三", "a": 2.5, "b": 3.0}]
    lines = tmp_path / "rows.jsonl"
    lines.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")
    table = pa.table({"id": ["x", "y"], "text": ["one\ntwo", "三"], "a": [1.0, 2.5], "b": [None, 3.0]})
    pq.write_table(table, tmp_path / "rows.parquet")
    wanted = [TextRow("x", "one\ntwo", (1.0, None)), TextRow("y", "三", (2.5, 3.0))]
    assert read_text_rows(lines, columns_of()) == read_text_rows(tmp_path / "rows.parquet", columns_of()) == wanted


def test_columns_go_by_known_names_by_the_recipes_and_by_other_spellings(tmp_path):
    path = write_csv(tmp_path / "a.csv", "Text ID,FULL_TEXT,A,Bee,prompt\nx,one,1,2,p\n")
    (row,) = read_text_rows(path, columns_of("prepare.target_columns={b: Bee}", "prepare.group_column=prompt"))
    assert row == TextRow("x", "one", (1.0, 2.0), group="p")
    path = write_csv(tmp_path / "b.csv", "id,text,words,a,b\n7,no,yes,1,2\n9,non,oui,1,2\n")
    rows = read_text_rows(path, columns_of("prepare.text_column=words", "prepare.id_column=row"))
    assert [(row.id, row.text) for row in rows] == [("0", "yes"), ("1", "oui")]
    path = write_csv(tmp_path / "c.csv", "text,a,b\none,1,2\ntwo,1,2\n")
    assert [row.id for row in read_text_rows(path, columns_of())] == ["0", "1"]


def test_a_test_file_may_lack_all_scores_but_not_some(tmp_path):
    path = write_csv(tmp_path / "a.csv", "id,text\nx,one\n")
    assert read_text_rows(path, columns_of(), may_lack_values=True) == [TextRow("x", "one", (None, None))]
    assert "no column a: found id, text" in refusal(path)
    path = write_csv(tmp_path / "b.csv", "id,text,a\nx,one,1\n")
    assert "no column b: found id, text, a" in refusal(path, may_lack_values=True)


@pytest.mark.parametrize(
    ("text", "place", "message"),
    [
        ("id,text,a,b\nx,one,1,n/a\n", ":2", "b: expected a number from 1 to 5, found 'n/a'"),
        ('id,text,a,b\nx,one,1,"3,5"\n', ":2", "b: expected a number from 1 to 5, found '3,5'"),
        ("id,text,a,b\nx,one,nan,1\n", ":2", "a: expected a number from 1 to 5, found 'nan'"),
        ("id,text,a,b\nx,one,inf,1\n", ":2", "a: expected a number from 1 to 5, found 'inf'"),
        ("id,text,a,b\nx,one,1e999,1\n", ":2", "a: expected a number"),
        ("id,text,a,b\nx,one,1_0,1\n", ":2", "a: expected a number"),
        ("id,text,a,b\nx,one,0.5,1\n", ":2", "a: expected a number from 1 to 5, found '0.5'"),
        ("id,text,a,b\nx,one,5.5,1\n", ":2", "a: expected a number from 1 to 5, found '5.5'"),
        ("id,text,a,b\nx, \t ,1,1\n", ":2", "the text is empty"),
        ("id,text,a,b\nx,one,1,1\nx,two,1,1\n", ":3", "stands here and on line 2"),
        ("id,text,a,b\n ,one,1,1\n", ":2", "the id is empty"),
        ("id,text,gramar,b\nx,one,1,1\n", ":1", "no column a"),
        ("id,words,a,b\nx,one,1,1\n", ":1", "no column text"),
        ("id,text,a,a,b\nx,one,1,1,1\n", ":1", "two columns are called 'a'"),
        ("id,text,a,b\nx,one,1\n", ":2", "expected 4 columns, found 3"),
        ('id,text,a,b\nx,"one,1,1\n', ":2", "a quote opens here and is never closed"),
        ('id,text,a,b\nx,"one"s,1,1\n', ":2", "not a row of quoted fields"),
        ("id,text,a,b\n", ":1", "a header and no rows"),
        ("", "", "the file is empty"),
    ],
)
def test_a_fault_is_told_with_file_and_line(tmp_path, text, place, message):
    path = write_csv(tmp_path / "a.csv", text)
    said = refusal(path)
    assert said.startswith(f"{path}{place}: ") and message in said


def test_the_nearest_names_and_the_way_out_are_told(tmp_path):
    path = write_csv(tmp_path / "a.csv", "id,text,gramar,b\nx,one,1,1\n")
    recipe = recipe_of(names=("grammar", "b"))
    said = refusal(path, TextColumns.of_given(recipe.targets, recipe.prepare))
    assert "no column grammar" in said and "the nearest are gramar" in said and "prepare.target_columns" in said
    assert "prepare.id_column: row" in refusal(write_csv(tmp_path / "b.csv", "id,text,a,b\nx,one,1,1\nx,two,1,1\n"))


def test_a_text_longer_than_a_million_characters_is_refused(tmp_path):
    path = write_csv(tmp_path / "a.csv", f"id,text,a,b\nx,{'a' * 1_000_001},1,1\n")
    assert "1,000,001 characters; at most 1,000,000" in refusal(path)


def test_labels_are_names_and_the_recipes_names_where_it_has_some(tmp_path):
    path = write_csv(tmp_path / "a.csv", "text,class\none,医学\ntwo,\n")
    recipe = load_recipe("demo", ["targets={kind: labels}", "prepare.train_file=x", "prepare.label_column=class"])
    columns = TextColumns.of_given(recipe.targets, recipe.prepare)
    assert [row.label for row in read_text_rows(path, columns)] == ["医学", None]
    named = load_recipe(
        "demo", ["targets={kind: labels, names: [a, b]}", "prepare.train_file=x", "prepare.label_column=class"]
    )
    assert "'医学' is none of the 2" in refusal(path, TextColumns.of_given(named.targets, named.prepare))


TEXTS = st.text(min_size=1, max_size=40).filter(lambda text: why_no_text(text) is None)
ROWS = st.lists(
    st.tuples(TEXTS, st.one_of(st.none(), st.floats(1, 5)), st.one_of(st.none(), st.floats(1, 5))),
    min_size=1,
    max_size=5,
)


@settings(max_examples=100, deadline=None)
@given(ROWS)
def test_what_is_written_reads_back_the_same(tmp_path_factory, drawn):
    path = tmp_path_factory.mktemp("rows") / "rows.csv"
    rows = [TextRow(f"id{number}", text, (a, b)) for number, (text, a, b) in enumerate(drawn)]
    assert write_text_rows(path, rows, SCORES, has_groups=False) == len(rows)
    assert read_text_rows(path, SCORES) == rows


def test_the_written_file_is_plain_csv_with_the_shortest_numbers(tmp_path):
    rows = [
        TextRow("1", 'a "b"\n\nc', (3.0, 0.1 + 0.2 + 1), group="g"),
        TextRow("2", "\r\n😀 x", (None, 2.5), group="g"),
    ]
    write_text_rows(tmp_path / "rows.csv", rows, SCORES, has_groups=True)
    with (tmp_path / "rows.csv").open(encoding="utf-8", newline="") as file:
        table = list(csv.reader(file))
    assert table[0] == ["id", "text", "a", "b", "group"]
    assert table[1][2:] == ["3.0", "1.3", "g"] or table[1][3] == repr(0.1 + 0.2 + 1)
    assert read_text_rows(tmp_path / "rows.csv", SCORES) == rows


def test_lines_are_counted_over_quoted_line_ends(tmp_path):
    path = write_csv(tmp_path / "a.csv", "id,text,a,b\n" + "".join(f'{n},"x\n\ny {n}",1,1\n' for n in range(5)))
    lines = [line for line, _ in iter_text_rows(path, columns_of())]
    assert lines == [2, 5, 8, 11, 14] and all(b - a == 3 for a, b in pairwise(lines))
