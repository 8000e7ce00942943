"""Files of one's own are read as they are: any header, labels in words or scores, the encodings and forms in use."""

from __future__ import annotations

import itertools
import json
import logging
import sys

import pandas as pd
import pytest
import yaml

from final_project.__main__ import main
from final_project.cli import run_main
from final_project.data.files.encodings import GB18030, UTF_8, encoding_of
from final_project.data.files.how_to_read import HowToRead
from final_project.data.files.label_reading import label_text
from final_project.data.files.pair_file import PairFile
from final_project.data.files.read_report import how_it_was_read
from final_project.data.files.tables import read_and_log_pairs, read_pairs
from final_project.data.records import Pair
from final_project.errors import DataError, EnvironmentProblem, RecipeError
from final_project.prepare.prepare_pairs import prepare
from final_project.prepare.rows_to_explain import read_explained
from final_project.recipe import load_recipe
from final_project.settings.reading import Labels
from similarity_v0.commands.ensemble import read_labels as read_gold_of_ensemble
from similarity_v1.evaluate.gold import read_labels

PAIRS = [Pair("怎么退货", "如何退掉商品", 1), Pair("多少钱", "贵吗", 0), Pair("蓝牙耳机坏了", "耳机的蓝牙坏了", 1)]
OPEN = [Pair(p.sentence1, p.sentence2) for p in PAIRS]


def table(header, separator=",", labels=("1", "0", "1"), pairs=PAIRS):
    rows = [[p.sentence1, p.sentence2, label] for p, label in zip(pairs, labels, strict=True)]
    return "".join(separator.join(row) + "\n" for row in ([header.split(",")] if header else []) + rows)


def written(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def command(capsys, *arguments):
    status = run_main(main, [*map(str, arguments)])
    shown = capsys.readouterr()
    return status, json.loads(shown.out) if shown.out else None, shown.err


# ---- forms and encodings


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "gb18030", "gbk"])
@pytest.mark.parametrize("form", ["csv", "semicolons", "tsv", "tsv without header", "jsonl", "array", "open array"])
def test_every_form_is_read_in_every_encoding(tmp_path, form, encoding):
    objects = [{"句子1": p.sentence1, "句子2": p.sentence2, "标签": p.label} for p in PAIRS]
    spelled = [json.dumps(row, ensure_ascii=False) for row in objects]
    text = {
        "csv": table("句子1,句子2,标签"),
        "semicolons": table("句子1,句子2,标签", ";"),
        "tsv": table("句子1,句子2,标签", "\t"),
        "tsv without header": table("", "\t"),
        "jsonl": "\n".join(spelled),
        "array": json.dumps(objects, ensure_ascii=False),
        "open array": json.dumps(objects, ensure_ascii=False, indent=2),
    }[form]
    assert read_pairs(written(tmp_path / "a.txt", text, encoding)) == PAIRS
    assert read_pairs(written(tmp_path / "b.txt", text.replace("\n", "\r\n"), encoding)) == PAIRS


def test_the_encoding_is_said_in_the_log(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    read_pairs(written(tmp_path / "a.csv", table("text1,text2,label"), "gb18030"))
    assert [r.getMessage() for r in caplog.records] == [f"{tmp_path / 'a.csv'}: read as GB18030"]


@pytest.mark.parametrize("text", ["怎么退货", "1. Ça va?", "你好 hello", "。，！", "ｆｕｌｌ　ｗｉｄｔｈ"])
def test_utf_8_is_never_taken_for_gb18030_even_where_a_byte_is_broken(tmp_path, text):
    whole = f"{text}\t{text}\n".encode()
    assert encoding_of(write_bytes(tmp_path / "a", whole)) == UTF_8
    for at in range(len(whole)):
        for broken in (whole[:at] + b"\xff" + whole[at + 1 :], whole[:at] + whole[at + 1 :]):
            assert encoding_of(write_bytes(tmp_path / "a", broken)) == UTF_8, broken


def write_bytes(path, content):
    path.write_bytes(content)
    return path


def test_gb18030_is_known_by_one_short_line_and_by_a_line_that_utf_8_could_be(tmp_path):
    assert encoding_of(written(tmp_path / "a", "你好\t您好\n", "gb18030")) == GB18030
    lookalike = bytes.fromhex("d7a9").decode("gb18030")  # one character whose two bytes are UTF-8 as well
    assert bytes.fromhex("d7a9").decode("utf-8")
    text = f"a,b\n{lookalike}\n" + table("", ",")
    assert encoding_of(written(tmp_path / "a", text, "gb18030")) == GB18030


def test_excel_is_read_by_its_cells_or_openpyxl_is_asked_for(tmp_path, monkeypatch):
    openpyxl = pytest.importorskip("openpyxl", reason="openpyxl is not installed: pip install 'explained-pairs[excel]'")
    book = openpyxl.Workbook()
    book.active.title, sheet = "empty", book.create_sheet("pairs")
    for row in [("句子1", "句子2", "是否相似"), *((p.sentence1, p.sentence2, float(p.label)) for p in PAIRS), (None,)]:
        sheet.append(row)
    book.save(tmp_path / "a.xlsx")
    assert read_pairs(tmp_path / "a.xlsx") == PAIRS
    sheet["A3"] = None
    book.save(tmp_path / "a.xlsx")
    with pytest.raises(DataError, match=r"a\.xlsx:3: sentence 1 is empty"):
        read_pairs(tmp_path / "a.xlsx")
    (tmp_path / "broken.xlsx").write_bytes((tmp_path / "a.xlsx").read_bytes()[:-200])
    with pytest.raises(DataError, match=r"broken\.xlsx: not a readable Excel file"):
        read_pairs(tmp_path / "broken.xlsx")


def test_without_openpyxl_the_message_says_what_to_install(tmp_path, monkeypatch):
    (tmp_path / "a.xlsx").write_bytes(b"PK\x03\x04")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(EnvironmentProblem, match=r"needs openpyxl: pip install 'explained-pairs\[excel\]'"):
        read_pairs(tmp_path / "a.xlsx")
    (tmp_path / "a.xls").write_bytes(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
    with pytest.raises(DataError, match=r"save it as \.xlsx or as CSV"):
        read_pairs(tmp_path / "a.xls")


# ---- columns


@pytest.mark.parametrize(
    "header",
    [
        *(
            "text1,text2,label",
            "query,title,label",
            "question1,question2,is_duplicate",
            "premise,hypothesis,gold_label",
        ),
        *(
            "premise,hypothesis,gold_label",
            "s1,s2,similar",
            "Sentence_A,SENTENCE-B,Label",
            "anchor,positive,label",
            "q1,q2,score",
        ),
        *(
            "句子1,句子2,是否相似",
            "文本1,文本2,标签",
            "标题1,标题2,相似度",
            "left,right,match",
            "\ufefftext a,text b,y",
        ),
    ],
)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_usual_names_are_known_in_any_order_beside_an_index_and_other_columns(tmp_path, header, separator):
    names = header.split(",")
    for order in itertools.permutations(range(3)):
        rows = [names, *([p.sentence1, p.sentence2, str(p.label)] for p in PAIRS)]
        plain = [[row[at] for at in order] for row in rows]
        indexed = [["" if at == 0 else str(at - 1), *row, "来源"] for at, row in enumerate(plain)]
        for number, lines in enumerate((plain, indexed) if names[2] != "y" else (plain,)):
            if names[2] == "y" and order != (0, 1, 2):
                continue  # a name that says nothing is the label's in third place alone
            text = "".join(separator.join(row) + "\n" for row in lines)
            assert read_pairs(written(tmp_path / f"{number}.csv", text)) == PAIRS, (order, number)


def test_a_score_is_the_label_only_where_no_name_says_label(tmp_path):
    rows = [{"s1": p.sentence1, "s2": p.sentence2, "label": p.label, "score": 0.3} for p in PAIRS]
    pd.DataFrame(rows).to_csv(tmp_path / "a.csv")
    pd.DataFrame(rows).to_parquet(tmp_path / "a.parquet")
    pd.DataFrame(rows).to_json(tmp_path / "a.jsonl", orient="records", lines=True)
    for name in ("a.csv", "a.parquet", "a.jsonl"):
        assert read_pairs(tmp_path / name) == PAIRS
        scored = HowToRead({"label": "score"}, Labels(cut=0.2))
        assert [pair.label for pair in read_pairs(tmp_path / name, how=scored)] == [1, 1, 1]


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl", "a.json", "a.parquet"])
def test_columns_that_the_user_names_are_read_and_those_that_are_not_there_are_told(tmp_path, name):
    frame = pd.DataFrame([{"id": 7, "甲 方": p.sentence1, "乙方": p.sentence2, "结论": p.label} for p in PAIRS])
    if name == "a.parquet":
        frame.to_parquet(tmp_path / name)
    elif name.startswith("a.json"):
        frame.to_json(tmp_path / name, orient="records", lines=name == "a.jsonl")
    else:
        frame.to_csv(tmp_path / name, index=False, sep="\t" if name == "a.tsv" else ",")
    how = HowToRead({"sentence1": "甲 方", "sentence2": "乙方", "label": "结论"})
    assert read_pairs(tmp_path / name, how=how) == PAIRS
    assert read_pairs(tmp_path / name, how=HowToRead({"sentence1": "甲 方", "sentence2": "乙方", "label": ""})) == OPEN
    with pytest.raises(
        DataError, match=r"a\.\w+:1: .*'丙方'; found id, 甲 方, 乙方, 结论.*prepare\.columns: .*--columns "
    ):
        read_pairs(tmp_path / name, how=HowToRead({"sentence1": "丙方", "sentence2": "乙方"}))
    with pytest.raises(DataError) as caught:
        read_pairs(tmp_path / name)
    said = str(caught.value)
    assert "甲 方" in said and "结论" in said and "--columns " in said and "\n" not in said
    line = said.split("write prepare.columns: ")[1].split(" or --columns")[0]
    assert yaml.safe_load(line) == {"sentence1": "甲 方", "sentence2": "乙方", "label": "结论"}


def test_without_a_header_columns_go_by_their_numbers(tmp_path):
    text = "".join(f"{k}\t{p.sentence1}\t{p.sentence2}\t{p.label}\n" for k, p in enumerate(PAIRS))
    path = written(tmp_path / "a.csv", text)
    with pytest.raises(DataError, match=r"columns, found 4 .*\{sentence1: \"2\", sentence2: \"3\", label: \"4\"\}"):
        read_pairs(path)
    assert read_pairs(path, how=HowToRead({"sentence1": "2", "sentence2": "3", "label": "4"})) == PAIRS
    with pytest.raises(DataError, match="no column 9; a row has 4"):
        read_pairs(path, how=HowToRead({"sentence1": "2", "sentence2": "9"}))


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--columns", "sentence1"], "--columns: expected NAME=VALUE, found 'sentence1'"),
        (["--columns", "satz=a"], "no such part as satz; there are sentence1, sentence2, label"),
        (["--columns", "sentence1=a,sentence2=a"], "name a column twice"),
        (["--label-rules", "cut=high"], "cut: expected a number, found 'high'"),
        (["--label-rules", "cut=1,positive=a"], "leave one of them out"),
        (["--label-rules", "positive=a,negative=a"], "twice"),
        (["--label-rules", "maybe=a"], "no rule 'maybe'"),
    ],
)
def test_options_that_say_nothing_are_refused_in_words(tmp_path, capsys, options, said):
    path = written(tmp_path / "a.csv", table("text1,text2,label"))
    status, out, err = command(capsys, "stats", "--input", path, *options)
    assert status == 2 and out is None and said in err and "Traceback" not in err


# ---- labels

WORDS = [
    ("是", "否"),
    ("相似", "不相似"),
    ("yes", "no"),
    ("Yes", "NO"),
    ("true", "False"),
    ("1.0", "0.0"),
    ("1", "-1"),
    ("entailment", "contradiction"),
    ("entailment", "neutral"),
    ("蕴含", "矛盾"),
    ("paraphrase", "not_paraphrase"),
    ("同义", "不同义"),
    ("Ｙ", "Ｎ"),
]


@pytest.mark.parametrize(("positive", "negative"), WORDS)
@pytest.mark.parametrize("order", [(1, 0, 1), (0, 0, 1), (0, 1, 0)])
def test_labels_in_words_mean_the_same_wherever_they_stand_and_are_said(tmp_path, positive, negative, order, caplog):
    labels = [(negative, positive)[label] for label in order]
    path = written(tmp_path / "a.csv", table("text1,text2,label", labels=labels))
    caplog.set_level(logging.INFO)
    assert [pair.label for pair in read_and_log_pairs(path)] == list(order)
    for word, means in ((positive, 1), (negative, 0)):
        assert f"{label_text(word)} = {means} ({order.count(means)} rows)" in caplog.text
    assert all(f"{path}:{line}: " in caplog.text for line in (2, 3, 4))


@pytest.mark.parametrize("value", [True, 1.0, 1, "1", "是"])
def test_labels_of_json_and_parquet_may_be_of_any_kind(tmp_path, value):
    other = {"1": "0", "是": "否"}.get(value, type(value)(0))
    rows = [{"s1": p.sentence1, "s2": p.sentence2, "label": value if p.label else other} for p in PAIRS]
    pd.DataFrame(rows).to_parquet(tmp_path / "a.parquet")
    written(tmp_path / "a.jsonl", "\n".join(map(json.dumps, rows)))
    assert read_pairs(tmp_path / "a.parquet") == read_pairs(tmp_path / "a.jsonl") == PAIRS


def test_minus_one_is_decided_for_the_whole_file_and_said(tmp_path, caplog):
    """-1 and 1 alone: -1 is 0. Beside 0, or alone: no label, as public test sets have it."""
    caplog.set_level(logging.INFO)

    def labels_of(*labels):
        caplog.clear()
        path = written(tmp_path / "a.csv", table("text1,text2,label", labels=labels))
        return [pair.label for pair in read_and_log_pairs(path)]

    assert labels_of("1", "-1", "1") == [1, 0, 1] and "-1 = 0 (1 rows)" in caplog.text
    assert labels_of("1", "1", "-1") == [1, 1, 0]
    assert labels_of("-1", "-1", "-1") == [None] * 3 and "-1 = no label (3 rows)" in caplog.text
    for labels in (("1", "0", "-1"), ("1", "-1", "0")):
        with pytest.raises(DataError, match=r"a\.csv:\d: no label; .*-1 beside 0 means that there is none"):
            labels_of(*labels)


def test_labels_that_say_nothing_are_refused_with_the_line_to_write_and_read_by_it(tmp_path):
    path = written(tmp_path / "a.csv", table("text1,text2,label", labels=("4.2", "0.5", "3")))
    with pytest.raises(DataError, match=r"a\.csv:2: label must be 0 or 1, found '4\.2' \(labels here: 4\.2, 0\.5, 3\)"):
        read_pairs(path)
    assert [p.label for p in read_pairs(path, how=HowToRead(labels=Labels(cut=3)))] == [1, 0, 1]
    assert [p.label for p in read_pairs(path, how=HowToRead(labels=Labels(cut=3.01)))] == [1, 0, 0]
    named = Labels(positive=["4.2", "3"], negative=["0.5"])
    assert read_pairs(path, how=HowToRead(labels=named)) == PAIRS
    assert read_pairs(path, how=HowToRead(labels=Labels(negative=["0.5"]))) == PAIRS
    with pytest.raises(DataError, match=r"a\.csv:3: label must be 4\.2 or 3, found '0\.5'"):
        read_pairs(path, how=HowToRead(labels=Labels(positive=["4.2"], negative=["3"])))
    words = written(tmp_path / "w.csv", table("text1,text2,label", labels=("high", "low", "high")))
    with pytest.raises(DataError, match="label must be a number, found 'high'"):
        read_pairs(words, how=HowToRead(labels=Labels(cut=3)))


def test_two_kinds_of_words_in_one_file_are_refused_where_the_second_stands(tmp_path):
    path = written(tmp_path / "a.csv", table("text1,text2,label", labels=("是", "否", "yes")))
    with pytest.raises(DataError, match=r"a\.csv:4: label must be words such as 是 or 否, found 'yes'"):
        read_pairs(path)


def test_rows_of_labels_that_are_left_out_are_passed_over_and_counted(tmp_path, caplog):
    path = written(tmp_path / "a.csv", table("premise,hypothesis,label", labels=("entailment", "-", "neutral")))
    with pytest.raises(DataError, match=r"a\.csv:3: label must be entailment, .*found '-'.*left_out: \[\"-\"\]"):
        read_pairs(path)
    caplog.set_level(logging.INFO)
    left = list(read_and_log_pairs(path, how=HowToRead(labels=Labels(left_out=["-"]))))
    assert [pair.label for pair in left] == [1, 0] and "1 rows passed over" in caplog.text


def test_rules_for_words_do_not_spoil_a_file_of_0_and_1(tmp_path):
    rules = HowToRead(labels=Labels(positive=["entailment"]))
    assert read_pairs(written(tmp_path / "a.csv", table("text1,text2,label")), how=rules) == PAIRS


def test_an_ordinary_file_is_gone_through_once(tmp_path, monkeypatch):
    path = written(tmp_path / "a.csv", table("text1,text2,label"))
    monkeypatch.setattr(PairFile, "_survey", lambda self: pytest.fail("a second pass over 0 and 1"))
    assert read_pairs(path) == PAIRS


# ---- commands


def test_a_recipe_reads_own_files_as_they_are(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    rows = "".join(f"{k};问题{k};说法{k};{'相似' if k % 2 else '不相似'}\n" for k in range(60))
    written(tmp_path / "train.csv", "编号;甲;乙;结论\n" + rows, "gb18030")
    written(tmp_path / "rows.csv", "编号;甲;乙\n1;解释一;解释二\n", "utf-16")
    written(
        tmp_path / "mine.yaml",
        f"prepare:\n  train_file: {tmp_path}/train.csv\n  explain_file: {tmp_path}/rows.csv\n"
        "  columns: {sentence1: 甲, sentence2: 乙, label: 结论}\n  labels: {positive: [相似], negative: [不相似]}\n",
    )
    folder = prepare(load_recipe(str(tmp_path / "mine.yaml"), [f"runs_dir={tmp_path}/runs"]))
    read = {split: read_pairs(folder / f"{split}.csv") for split in ("train", "dev", "test")}
    every = sorted((p.sentence1, p.sentence2, p.label) for pairs in read.values() for p in pairs)
    assert every == sorted((f"问题{k}", f"说法{k}", k % 2) for k in range(60))
    assert "semicolon-separated, GB18030" in caplog.text and "相似 = 1 (30 rows)" in caplog.text
    (row,) = read_explained(folder / "explain.jsonl")
    assert (row.id, row.query, row.words_t) == (1, "解释一", ("解", "释", "二"))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (["prepare.columns={satz: a}"], "no such part as satz"),
        (["prepare.labels.positive=[1]", "prepare.labels.cut=0.5"], "leave one of them out"),
        (["prepare.labels.positives=[1]"], "did you mean prepare.labels.positive?"),
        (["prepare.labels.cut=.inf"], "finite"),
    ],
)
def test_settings_of_columns_and_labels_are_checked_with_the_recipe(settings, said):
    with pytest.raises(RecipeError) as caught:
        load_recipe("demo", settings)
    assert said in str(caught.value)


def test_settings_may_be_numbers_and_truth_values_as_yaml_has_them():
    settings = ["prepare.labels={positive: [1, true], negative: [-1]}", "prepare.columns={sentence1: 2, sentence2: 3}"]
    read = load_recipe("demo", settings).prepare
    assert read.labels.positive == ["1", "true"] and read.labels.negative == ["-1"]
    assert read.columns == {"sentence1": "2", "sentence2": "3"}


@pytest.mark.parametrize("verb", ["stats", "augment"])
def test_commands_take_columns_and_label_rules(tmp_path, capsys, verb):
    path = written(tmp_path / "a.csv", table("甲,乙,结论", labels=("对的", "错的", "对的")))
    given = ["--columns", "sentence1=甲,sentence2=乙,label=结论", "--label-rules", "positive=对的,negative=错的"]
    output = ["--output", tmp_path / "o.csv"] if verb == "augment" else []
    status, answer, err = command(capsys, verb, "--input", path, *output, *given)
    assert status == 0 and (answer["rows"] == 3) and "对的 = 1 (2 rows)" in err
    assert command(capsys, verb, "--input", path, *output)[0] == 2


def test_inspect_shows_what_is_read_what_does_not_fit_and_a_recipe_that_reads_it(tmp_path, capsys):
    text = table("id,甲,乙,结论", labels=("是", "否", "是"))
    rows = (
        "7,怎么退货,如何退掉商品,是\n8,多少钱,贵吗,否\n9,只有三列,是\n10,,空的,否\n11,好,不好,也许\n12,再见,拜拜,是\n"
    )
    path = written(tmp_path / "a.csv", text.splitlines()[0] + "\n" + rows, "gb18030")
    status, out, err = command(capsys, "inspect", path)
    assert status == 2 and out is None and "prepare.columns: {sentence1: 甲, sentence2: 乙, label: 结论}" in err
    option = err.split("--columns ")[1].strip().strip("'")
    status, answer, err = command(capsys, "inspect", path, "--columns", option, "--write", tmp_path / "mine.yaml")
    assert status == 0 and answer["rows"] == 3 and answer["unfit_rows"] == 3
    assert [line.split(":")[1] for line in answer["unfit"]] == ["4", "5", "6"]
    assert answer["encoding"] == "GB18030" and answer["form"] == "CSV" and answer["ignored"] == ["id"]
    assert answer["labels"] == [{"label": "是", "means": 1, "rows": 2}, {"label": "否", "means": 0, "rows": 1}]
    assert [sample["line"] for sample in answer["samples"]] == [2, 3, 7]
    for said in (
        "3 rows do not fit",
        "sentence1: '甲'",
        "是 = 1 (2 rows)",
        "怎么退货 | 如何退掉商品 | 1",
        "train_file",
    ):
        assert said in err
    read = load_recipe(str(tmp_path / "mine.yaml")).prepare
    good = written(
        tmp_path / "good.csv", "id,甲,乙,结论\n" + rows.replace("9,只有三列,是\n10,,空的,否\n11,好,不好,也许\n", "")
    )
    assert [p.label for p in read_pairs(good, how=HowToRead(read.columns, read.labels))] == [1, 0, 1]
    assert command(capsys, "inspect", path, "--columns", option, "--write", tmp_path / "mine.yaml")[0] == 2


def test_what_inspect_says_is_what_the_log_of_a_command_says(tmp_path, caplog, capsys):
    path = written(tmp_path / "a.csv", table("text1,text2,label", labels=("是", "否", "是")))
    caplog.set_level(logging.INFO)
    list(read_and_log_pairs(path))
    logged = [record.getMessage() for record in caplog.records]
    _, _, err = command(capsys, "inspect", path)
    assert len(logged) == 5 and all(line in err for line in logged)
    file = PairFile(path)
    assert list(file) and how_it_was_read(file) == logged


def test_rows_to_explain_may_be_any_file_of_pairs(tmp_path):
    for name, separator in (("a.csv", ","), ("a.tsv", "\t")):
        rows = read_explained(written(tmp_path / name, table("text1,text2,label", separator), "gb18030"))
        assert [(row.id, row.query, row.title) for row in rows] == [
            (k, p.sentence1, p.sentence2) for k, p in enumerate(PAIRS, start=1)
        ]
        assert rows[0].words_q == tuple("怎么退货")


def test_labels_beside_predictions_and_of_gold_are_read_by_the_same_words(tmp_path):
    written(tmp_path / "a.csv", "id,label\n3,是\n5,否\n", "gb18030")
    assert read_labels(tmp_path / "a.csv") == {3: 1, 5: 0}
    found = read_gold_of_ensemble(tmp_path / "a.csv", ["5", "3"], tmp_path / "p.csv")
    assert found.tolist() == [0, 1]
    with pytest.raises(DataError, match=r"b\.csv:3: label must be 0 or 1, found '也许'"):
        read_labels(written(tmp_path / "b.csv", "id,label\n3,1\n5,也许\n"))
