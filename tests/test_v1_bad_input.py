"""Bad input of refine, evaluate, validate, twins and length: one message with file and line, exit status 2, nothing
half written. What each kind of file may hold is tested beside its reader; here every command meets every kind."""

import json

import pytest
from v1_support import gold_row, pair, run_cli, write_jsonl, write_pairs

PAIRS = [pair(1, "怎么开通", "如何关闭花呗"), pair(2, "多少钱", "贵吗")]
ROWS = "1\t1\t3,0\t5,0,1\n2\t0\t2\t1,0\n"
LINE = '{"id": 3, "query": "怎么", "title": "如何", "text_q_seg": ["怎么"], "text_t_seg": ["如何"]}\n'

BAD_PAIRS = {
    "folder": (None, "cannot read: Is a directory"),
    "not utf-8": (LINE.encode() + LINE.encode("gbk"), ":2: not UTF-8"),
    "nul": (LINE.encode() + b"\0\n", ":2: NUL byte"),
    "blank": (b"\n \n", "the file holds no text"),
    "broken json": (LINE.encode() + b'{"id": 4,\n', ":2: broken JSON"),
    "empty sentence": (LINE.replace("怎么", " ").encode(), ":1: query is empty"),
    "no words": (LINE.replace('["怎么"]', "[]").encode(), ":1: text_q_seg is empty"),
    "words of another sentence": (LINE.replace('["怎么"]', '["多少"]').encode(), ":1: text_q_seg does not join"),
    "duplicate id": (2 * LINE.encode(), ":2: duplicate id 3; the first is at line 1"),
    "id": (LINE.replace("3", '"x"').encode(), ":1: id must be an integer"),
}
BAD_ROWS = {
    "few columns": (ROWS + "3\t1\t0\n", ":3: expected 4 tab-separated columns, found 3"),
    "label": (ROWS.replace("\t0\t2", "\t2\t2"), ":2: label must be 0 or 1"),
    "range": (ROWS.replace("3,0", "4,0"), ":1: id 1: index 4 is out of range"),
    "negative": (ROWS.replace("3,0", "-1,0"), ":1: negative index -1"),
    "duplicate": (ROWS + ROWS, ":3: duplicate id 1"),
    "unknown": (ROWS.replace("2\t0", "7\t0"), ":2: unknown id 7"),
    "empty": ("", "the file is empty"),
    "header": ("id\tlabel\tq\tt\n" + ROWS, ":1: id must be an integer, found 'id' (a submission has no header)"),
}


@pytest.fixture
def files(tmp_path):
    (tmp_path / "rows.txt").write_text(ROWS, encoding="utf-8")
    (tmp_path / "originals.tsv").write_text("怎么\t如何\n", encoding="utf-8")
    return {
        "pairs": write_pairs(tmp_path / "pairs.jsonl", PAIRS),
        "rows": tmp_path / "rows.txt",
        "originals": tmp_path / "originals.tsv",
        "gold": write_jsonl(tmp_path / "gold.jsonl", [gold_row(p) for p in PAIRS]),
        "out": tmp_path / "out",
    }


def arguments(command, files):
    options = {
        "refine": ("--rationales", files["rows"], "--originals", files["originals"], "--output-dir", files["out"]),
        "validate": ("--submission", files["rows"]),
        "evaluate": ("--predictions", files["rows"], "--gold", files["gold"]),
        "twins": ("--output", files["out"] / "twins.jsonl"),
        "length": ("--scores", files["rows"], "--gold", files["gold"]),
    }
    return (command, "--pairs", files["pairs"], *options[command])


def is_refused(capsys, files, command, bad, message):
    status, out, err = run_cli(capsys, *arguments(command, files))
    assert status == 2 and out == "" and "Traceback" not in err
    assert err.startswith(f"error: {bad}") and message in err and err.count("\n") == 1
    assert not files["out"].exists()


@pytest.mark.parametrize("command", ["refine", "validate", "evaluate", "twins", "length"])
@pytest.mark.parametrize("case", BAD_PAIRS)
def test_bad_pairs_are_refused_by_every_command(files, tmp_path, capsys, command, case):
    content, message = BAD_PAIRS[case]
    bad = tmp_path / "bad.jsonl"
    bad.mkdir() if content is None else bad.write_bytes(content)
    is_refused(capsys, files | {"pairs": bad}, command, bad, message)


@pytest.mark.parametrize("command", ["refine", "validate", "evaluate"])
@pytest.mark.parametrize("case", BAD_ROWS)
def test_bad_rationales_are_refused_by_every_command(files, tmp_path, capsys, command, case):
    content, message = BAD_ROWS[case]
    bad = tmp_path / "bad.txt"
    bad.write_text(content, encoding="utf-8")
    is_refused(capsys, files | {"rows": bad}, command, bad, message)


@pytest.mark.parametrize("command", ["refine", "validate"])
def test_a_side_without_words_is_refused(files, capsys, command):
    files["rows"].write_text(ROWS.replace("5,0,1", ""), encoding="utf-8")
    is_refused(capsys, files, command, files["rows"], ":1: no words are chosen in the second sentence")


@pytest.mark.parametrize("command", ["refine", "validate"])
def test_a_missing_row_is_counted_and_named(files, capsys, command):
    files["rows"].write_text(ROWS.splitlines()[0] + "\n", encoding="utf-8")
    is_refused(capsys, files, command, files["rows"], "1 of 2 ids are missing; the first is 2")


@pytest.mark.parametrize("command", ["refine", "validate", "evaluate", "twins"])
def test_windows_line_ends_and_a_byte_order_mark_are_accepted(files, capsys, command):
    for name in ("pairs", "rows", "originals", "gold"):
        text = files[name].read_text(encoding="utf-8")
        files[name].write_bytes(("\ufeff" + text.replace("\n", "\r\n")).encode())
    status, out, _ = run_cli(capsys, *arguments(command, files))
    assert status == 0 and json.loads(out)["rows"] == 2


@pytest.mark.parametrize("option", ["--labels", "--pair-map"])
def test_references_that_do_not_fit_name_the_first_id_and_the_count(files, tmp_path, capsys, option):
    path = tmp_path / "other"
    path.write_text("1\t0\n8\t1\n9\t1\n" if option == "--labels" else '{"ori": 8, "disturb": 1}\n')
    status, _, err = run_cli(capsys, *arguments("evaluate", files), option, path)
    expected = "2 of 3 ids" if option == "--labels" else "1 of 2 ids"
    assert status == 2 and f"{path}: {expected} are not in {files['pairs']}; the first is 8" in err


def test_refine_names_a_folder_that_cannot_be_written(files, tmp_path, capsys):
    (tmp_path / "file").write_text("x")
    status, out, err = run_cli(capsys, *arguments("refine", files | {"out": tmp_path / "file" / "out"}))
    assert status == 2 and out == "" and "cannot write" in err and err.count("\n") == 1
