"""Reading pairs: every form that is accepted, and one message with file and line for everything that is not."""

import io
import json
import random

import pytest

from final_project.__main__ import main
from final_project.cli import run_main
from final_project.data.corpora.registry import find_corpus
from final_project.data.files.tables import read_pairs, write_pairs_csv, write_pairs_tsv
from final_project.data.records import Pair
from final_project.errors import ArtifactError, DataError, ProjectError

GOOD = [Pair("怎么去北京", "去北京怎么走", 1), Pair("怎么去北京", "怎么去南京", 0)]
TSV = "怎么去北京\t去北京怎么走\t1\n怎么去北京\t怎么去南京\t0\n"
HEADER = "text_a\ttext_b\tlabel\n"
CSV = "sentence1,sentence2,label\n怎么去北京,去北京怎么走,1\n怎么去北京,怎么去南京,0\n"


def contest_line(number=1, **changes):
    row = {"id": number, "query": "去哪", "title": "去哪里", "text_q_seg": ["去", "哪"], "text_t_seg": ["去", "哪里"]}
    return json.dumps(row | changes, ensure_ascii=False) + "\n"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("plain.tsv", TSV.encode()),
        ("header.tsv", (HEADER + TSV).encode()),
        ("named_as_csv_but_tabs.csv", TSV.encode()),
        ("bom.tsv", b"\xef\xbb\xbf" + TSV.encode()),
        ("bom_and_header.tsv", b"\xef\xbb\xbf" + (HEADER + TSV).encode()),
        ("crlf.tsv", TSV.replace("\n", "\r\n").encode()),
        ("no_last_newline.txt", TSV.rstrip("\n").encode()),
        ("blank_lines.tsv", TSV.replace("\n", "\n\n").encode()),
        ("pairs.csv", CSV.encode()),
        ("csv_in_a_text_file.txt", CSV.encode()),
        ("bom_crlf.csv", b"\xef\xbb\xbf" + CSV.replace("\n", "\r\n").encode()),
        (
            "pairs.jsonl",
            "".join(
                json.dumps({"sentence1": p.sentence1, "sentence2": p.sentence2, "label": str(p.label)}) + "\n"
                for p in GOOD
            ).encode(),
        ),
    ],
)
def test_every_accepted_form_gives_the_same_pairs(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    assert read_pairs(path) == GOOD
    assert read_pairs(path, labelled=False) == [Pair(p.sentence1, p.sentence2) for p in GOOD]


def test_two_columns_are_pairs_without_labels(tmp_path):
    (tmp_path / "test.tsv").write_text("甲\t乙\n丙\t丁\n", encoding="utf-8")
    assert read_pairs(tmp_path / "test.tsv") == [Pair("甲", "乙"), Pair("丙", "丁")]


def test_the_contest_file_is_read_as_pairs_without_labels(tmp_path):
    (tmp_path / "set.txt").write_text(contest_line(1) + contest_line(2), encoding="utf-8")
    assert read_pairs(tmp_path / "set.txt") == [Pair("去哪", "去哪里")] * 2


def test_quotes_are_ordinary_characters_in_a_tsv(tmp_path):
    (tmp_path / "quotes.tsv").write_text('他说"好\t"他说好\t0\n', encoding="utf-8")
    assert read_pairs(tmp_path / "quotes.tsv") == [Pair('他说"好', '"他说好', 0)]


def test_what_is_written_as_csv_reads_back_whatever_it_holds(tmp_path):
    rng = random.Random(7)
    pairs = [
        Pair(*("x" + "".join(rng.choices("甲乙丙\", ;'1", k=rng.randrange(9))) for _ in range(2)), rng.choice((0, 1)))
        for _ in range(300)
    ]
    pairs.append(Pair('two\nlines, "quoted"', "乙", 1))
    assert write_pairs_csv(tmp_path / "pairs.csv", pairs) == 301
    assert read_pairs(tmp_path / "pairs.csv") == pairs


def test_an_unknown_label_is_written_as_an_empty_column(tmp_path):
    write_pairs_csv(tmp_path / "test.csv", [Pair("甲", "乙")])
    assert (tmp_path / "test.csv").read_bytes() == "sentence1,sentence2,label\n甲,乙,\n".encode()
    assert read_pairs(tmp_path / "test.csv") == [Pair("甲", "乙")]


def test_a_tsv_row_stays_one_row_whatever_white_space_a_sentence_holds(tmp_path):
    write_pairs_tsv(tmp_path / "text.tsv", [Pair("a\tb", "c\r\nd")])
    assert (tmp_path / "text.tsv").read_bytes() == b"a b\tc d\n"


BAD = {
    "one column": ("x.tsv", TSV.encode() + "只有一列\n".encode(), 3, "expected 3 tab-separated columns, found 1"),
    "too few columns": ("x.tsv", TSV.encode() + "甲\t乙\n".encode(), 3, "expected 3 tab-separated columns, found 2"),
    "too many columns": ("x.tsv", TSV.encode() + "甲\t乙\t1\t丙\n".encode(), 3, "found 4"),
    "a first row of one column": ("x.tsv", "只有一列\n".encode(), 1, "found 1"),
    "columns lost in a csv": ("x.csv", CSV.encode() + "甲,乙\n".encode(), 4, "expected 3 comma-separated columns"),
    "label out of range": ("x.tsv", TSV.encode() + "甲\t乙\t2\n".encode(), 3, "label must be 0 or 1, found '2'"),
    "label as a word": ("x.csv", CSV.encode() + "甲,乙,yes\n".encode(), 4, "label must be 0 or 1"),
    "label a list in json": ("x.jsonl", b'{"sentence1": "a", "sentence2": "b", "label": [1]}\n', 1, "label must be"),
    "label missing in one row": ("x.csv", CSV.encode() + "甲,乙,\n".encode(), 4, "no label"),
    "empty sentence": ("x.tsv", TSV.encode() + "甲\t  \t1\n".encode(), 3, "sentence 2 is empty"),
    "empty sentence in json": ("x.jsonl", b'{"sentence1": "", "sentence2": "b"}\n', 1, "sentence 1 is empty"),
    "not utf-8": ("x.tsv", TSV.encode() + "甲\t乙\t1\n".encode("gb18030"), 3, "not UTF-8"),
    "nul bytes": ("x.tsv", b"a\tb\t1\n\0\0\n", 2, "NUL"),
    "empty file": ("x.tsv", b"", None, "empty"),
    "only a bom": ("x.tsv", b"\xef\xbb\xbf", None, "no text"),
    "only blank lines": ("x.tsv", b"\n \n", None, "no text"),
    "a header and no rows": ("x.tsv", HEADER.encode(), 1, "no rows"),
    "a csv header and no rows": ("x.csv", b"sentence1,sentence2,label\n", 1, "no rows"),
    "a csv without header": ("x.csv", "甲,乙,1\n".encode(), 1, "expected the header sentence1,sentence2,label"),
    "a header in the middle": ("x.tsv", (TSV + HEADER).encode(), 3, "label must be 0 or 1, found 'label'"),
    "an unclosed quote": ("x.csv", CSV.encode() + '"甲,乙,1\n丙,丁,0\n'.encode(), 4, "never closed"),
    "text after a quote": ("x.csv", CSV.encode() + '"甲"乙,丙,1\n'.encode(), 4, "not a CSV row"),
    "broken json": ("x.jsonl", b'{"sentence1": "a", \n', 1, "broken JSON"),
    "missing json key": ("x.jsonl", b'{"sentence1": "a", "label": 1}\n', 1, "missing key 'sentence2'"),
    "a sentence that is a number": ("x.jsonl", b'{"sentence1": 1, "sentence2": "b"}\n', 1, "must be a string"),
    "a json list": ("x.jsonl", b'{"sentence1": "a", "sentence2": "b"}\n[1]\n', 2, "expected a JSON object"),
    "duplicate id": ("x.txt", (contest_line(1) + contest_line(1)).encode(), 2, "duplicate id 1"),
    "contest key lost": ("x.txt", b'{"id": 1, "query": "a"}\n', 1, "missing key 'title'"),
    "words that do not join": ("x.txt", contest_line(text_q_seg=["去"]).encode(), 1, "does not join"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_fault_is_one_message_with_file_and_line(tmp_path, case, capsys):
    name, content, line, said = BAD[case]
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_pairs(path)
    where = f"{path}:{line}: " if line else f"{path}: "
    assert str(caught.value).startswith(where)
    assert said in str(caught.value)

    output = tmp_path / "out.csv"
    status = run_main(main, ["augment", "--input", str(path), "--output", str(output)])
    shown = capsys.readouterr()
    assert status == 2
    assert shown.err.count("error: ") == 1 and "Traceback" not in shown.err and not shown.out
    assert not output.exists()


def test_a_header_can_be_demanded_or_refused(tmp_path):
    (tmp_path / "with.tsv").write_text(HEADER + TSV, encoding="utf-8")
    (tmp_path / "without.tsv").write_text(TSV, encoding="utf-8")
    with pytest.raises(DataError, match=r"with\.tsv:1: expected no header"):
        read_pairs(tmp_path / "with.tsv", header=False)
    with pytest.raises(DataError, match=r"without\.tsv:1: expected a header"):
        read_pairs(tmp_path / "without.tsv", header=True)


def test_a_missing_file_and_a_folder_are_reported(tmp_path):
    with pytest.raises(DataError, match="cannot read: No such file"):
        read_pairs(tmp_path / "absent.tsv")
    with pytest.raises(DataError, match="cannot read: Is a directory"):
        read_pairs(tmp_path)


def test_labels_can_be_demanded(tmp_path):
    (tmp_path / "test.tsv").write_text("甲\t乙\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"test\.tsv:1: no label"):
        read_pairs(tmp_path / "test.tsv", labelled=True)


def test_an_output_that_cannot_be_written_leaves_nothing(tmp_path, capsys):
    (tmp_path / "in.tsv").write_text(TSV, encoding="utf-8")
    (tmp_path / "folder").mkdir()
    assert run_main(main, ["augment", "--input", str(tmp_path / "in.tsv"), "--output", str(tmp_path / "folder")]) == 2
    assert "Is a directory" in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    with pytest.raises(ArtifactError, match="cannot write"):
        write_pairs_csv(tmp_path / "file" / "out.csv", GOOD)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder", "in.tsv"]


def test_a_full_disk_is_reported_and_leaves_nothing(tmp_path, monkeypatch):
    class FullDisk(io.StringIO):
        def fileno(self):
            raise OSError(28, "No space left on device")

    def open_on_full_disk(descriptor, *_args, **_named):
        return FullDisk()

    monkeypatch.setattr("final_project.artifacts.os.fdopen", open_on_full_disk)
    with pytest.raises(ArtifactError, match="No space left on device"):
        write_pairs_csv(tmp_path / "out.csv", GOOD)
    assert list(tmp_path.iterdir()) == []


def test_a_corpus_is_found_by_name_and_a_wrong_name_gets_the_nearest():
    assert find_corpus("lcqmc").name == "LCQMC"
    with pytest.raises(ProjectError, match="no corpus named 'LCQCM'; did you mean LCQMC"):
        find_corpus("LCQCM")


def test_convert_joins_several_inputs_in_order(tmp_path, capsys):
    for name in ("a.tsv", "b.tsv"):
        (tmp_path / name).write_text(f"{name}\t乙\t1\n", encoding="utf-8")
    arguments = ["convert", "--corpus", "LCQMC", "--output", str(tmp_path / "o.csv")]
    for name in ("b.tsv", "a.tsv"):
        arguments += ["--input", str(tmp_path / name)]
    assert run_main(main, arguments) == 0
    assert json.loads(capsys.readouterr().out)["rows"] == 2
    assert (tmp_path / "o.csv").read_text(encoding="utf-8") == "sentence1,sentence2,label\nb.tsv,乙,1\na.tsv,乙,1\n"
