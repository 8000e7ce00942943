import random
import zipfile

import pytest
from v1_support import pair, run_cli, write_pairs

from final_project.data.records import Rationale
from final_project.errors import ArtifactError, DataError
from similarity_v1.rationales import submission
from similarity_v1.rationales.submission import read_submission, validate, write_submission, write_zip

PAIRS = [pair(1, "怎么开通", "如何关闭花呗"), pair(2, "多少钱", "贵吗")]
ROWS = [Rationale(1, 1, (3, 0), (5, 0, 1)), Rationale(2, 0, (2,), (1, 0))]
TEXT = "1\t1\t3,0\t5,0,1\n2\t0\t2\t1,0\n"


def zipped(path, entries, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as archive:
        for name, content in entries:
            archive.writestr(name, content)
    return path


def test_what_is_written_is_read_back(tmp_path):
    write_submission(tmp_path / "sim_rationale.txt", ROWS)
    assert (tmp_path / "sim_rationale.txt").read_bytes() == TEXT.encode()
    write_zip(tmp_path / "sim_rationale.zip", tmp_path / "sim_rationale.txt")
    for name in ("sim_rationale.txt", "sim_rationale.zip"):
        assert read_submission(tmp_path / name) == [(1, ROWS[0]), (2, ROWS[1])]
        assert validate(tmp_path / name, PAIRS) == {"valid": True, "rows": 2, "rows_with_repeated_index": 0}


def test_the_same_rows_give_the_same_zip_and_its_date_is_fixed(tmp_path):
    for folder in ("one", "two"):
        write_submission(tmp_path / folder / "s.txt", ROWS)
        write_zip(tmp_path / folder / "s.zip", tmp_path / folder / "s.txt")
    assert (tmp_path / "one" / "s.zip").read_bytes() == (tmp_path / "two" / "s.zip").read_bytes()
    (entry,) = zipfile.ZipFile(tmp_path / "one" / "s.zip").infolist()
    assert entry.filename == "s.txt" and entry.date_time == (1980, 1, 1, 0, 0, 0)
    assert entry.compress_type == zipfile.ZIP_DEFLATED


@pytest.mark.parametrize("text", [TEXT.replace("\n", "\r\n"), "\ufeff" + TEXT, TEXT.rstrip("\n")])
def test_line_ends_and_a_byte_order_mark_are_accepted(tmp_path, text):
    (tmp_path / "s.txt").write_bytes(text.encode())
    zipped(tmp_path / "s.zip", [("s.txt", text.encode())])
    assert validate(tmp_path / "s.txt", PAIRS) == validate(tmp_path / "s.zip", PAIRS)


def test_the_order_of_rows_is_free(tmp_path):
    write_submission(tmp_path / "s.txt", ROWS[::-1])
    assert validate(tmp_path / "s.txt", PAIRS)["rows"] == 2


def test_a_repeated_index_only_warns(tmp_path, capsys):
    pairs = write_pairs(tmp_path / "pairs.jsonl", PAIRS)
    (tmp_path / "s.txt").write_text(TEXT.replace("3,0", "3,3"))
    status, out, err = run_cli(capsys, "validate", "--pairs", pairs, "--submission", tmp_path / "s.txt")
    assert status == 0 and '"rows_with_repeated_index": 1' in out and "1 rows repeat an index" in err


SECOND_ROW = "2\t0\t2\t1,0\n"
BAD_TEXTS = {
    "header": ("id\tlabel\tq\tt\n" + TEXT, ":1: id must be an integer, found 'id' (a submission has no header)"),
    "too few columns": (TEXT + "3\t1\t0\n", ":3: expected 4 tab-separated columns, found 3"),
    "too many columns": (TEXT + "3\t1\t0\t0\t0\n", ":3: expected 4 tab-separated columns, found 5"),
    "label": (TEXT.replace("\t0\t2", "\t2\t2"), ":2: label must be 0 or 1, found '2'"),
    "label as number": (TEXT.replace("\t0\t2", "\t0.0\t2"), ":2: label must be 0 or 1, found '0.0'"),
    "index out of range": (TEXT.replace("3,0", "4,0"), ":1: id 1: index 4 is out of range: the first sentence has 4"),
    "negative index": (TEXT.replace("3,0", "-1,0"), ":1: negative index -1 in the first sentence"),
    "no number": (TEXT.replace("5,0,1", "5,x,1"), ":1: expected indices i,j,... for the second sentence, found 'x'"),
    "trailing comma": (TEXT.replace("5,0,1", "5,0,"), ":1: expected indices i,j,... for the second sentence, found ''"),
    "other digits": (TEXT.replace("3,0", "３,0"), ":1: expected indices i,j,... for the first sentence, found '３'"),
    "huge number": (TEXT.replace("3,0", "9" * 5000), ":1: expected indices i,j,... for the first sentence"),
    "empty side": (TEXT.replace("5,0,1", ""), ":1: no words are chosen in the second sentence"),
    "duplicate id": (TEXT + SECOND_ROW, ":3: duplicate id 2; the first is at line 2"),
    "unknown id": (TEXT.replace("2\t0", "7\t0"), ":2: unknown id 7: it is not in the pairs file"),
    "missing id": (SECOND_ROW, "1 of 2 ids are missing; the first is 1"),
    "empty file": ("", "holds no text|the file is empty"),
    "blank file": ("\n \n", "holds no text"),
    "NUL": ("1\t1\t0\0\t0\n", "NUL byte"),
}  # fmt: skip


@pytest.mark.parametrize("form", ["txt", "zip"])
@pytest.mark.parametrize("case", BAD_TEXTS)
def test_a_bad_submission_is_one_message_with_file_and_line(tmp_path, capsys, case, form):
    text, message = BAD_TEXTS[case]
    path = tmp_path / f"s.{form}"
    if form == "txt":
        path.write_bytes(text.encode())
    else:
        zipped(path, [("s.txt", text.encode())])
    pairs = write_pairs(tmp_path / "pairs.jsonl", PAIRS)
    status, out, err = run_cli(capsys, "validate", "--pairs", pairs, "--submission", path)
    assert status == 2 and out == "" and "Traceback" not in err
    assert err.startswith(f"error: {path}") and err.count("\n") == 1
    assert any(part in err for part in message.split("|"))


def test_text_that_is_not_utf8_is_refused_in_both_forms(tmp_path):
    raw = TEXT.encode() + "3\t1\t零\t0\n".encode("gbk")
    (tmp_path / "s.txt").write_bytes(raw)
    zipped(tmp_path / "s.zip", [("s.txt", raw)])
    for name in ("s.txt", "s.zip"):
        with pytest.raises(DataError, match=f"{name}:3: not UTF-8"):
            validate(tmp_path / name, PAIRS)


def broken_zips():
    def truncated(path):
        zipped(path, [("s.txt", TEXT * 50)])
        path.write_bytes(path.read_bytes()[:-30])

    def damaged(path):
        noise = random.Random(0)
        zipped(path, [("s.txt", "".join(f"{noise.random()}\n" for _ in range(400)))])
        raw = bytearray(path.read_bytes())
        raw[200:230] = bytes(30)
        path.write_bytes(raw)

    def bomb(path):
        zipped(path, [("s.txt", b"1" * 5_000_000)], compresslevel=9)

    def encrypted(path):
        zipped(path, [("s.txt", TEXT)])
        raw = bytearray(path.read_bytes())
        raw[6] |= 1
        raw[raw.rindex(b"PK\x01\x02") + 8] |= 1
        path.write_bytes(raw)

    return {
        "truncated": (truncated, "not a zip that can be read, or a truncated one"),
        "damaged": (damaged, "not a zip that can be read, or a truncated one"),
        "encrypted": (encrypted, "not a zip that can be read"),
        "foreign": (lambda path: path.write_text(TEXT), "not a zip that can be read"),
        "empty": (lambda path: path.write_bytes(b""), "not a zip that can be read"),
        "bomb": (bomb, "is larger than"),
        "two files": (lambda path: zipped(path, [("s.txt", TEXT), ("t.txt", TEXT)]), "exactly one file, found 2"),
        "no file": (lambda path: zipped(path, []), "exactly one file, found 0"),
        "folder": (lambda path: zipped(path, [("s.txt/", "")]), "one plain file at its top"),
        "path up": (lambda path: zipped(path, [("../s.txt", TEXT)]), "one plain file at its top"),
        "path down": (lambda path: zipped(path, [("a/s.txt", TEXT)]), "one plain file at its top"),
        "absolute": (lambda path: zipped(path, [("/etc/s.txt", TEXT)]), "one plain file at its top"),
        "backslash": (lambda path: zipped(path, [("..\\s.txt", TEXT)]), "one plain file at its top"),
        "other kind": (lambda path: zipped(path, [("s.csv", TEXT)]), "must hold a .txt file"),
    }


@pytest.mark.parametrize("case", broken_zips())
def test_a_bad_zip_is_one_message(tmp_path, capsys, case):
    make, message = broken_zips()[case]
    make(tmp_path / "s.zip")
    pairs = write_pairs(tmp_path / "pairs.jsonl", PAIRS)
    status, out, err = run_cli(capsys, "validate", "--pairs", pairs, "--submission", tmp_path / "s.zip")
    assert status == 2 and out == "" and message in err and err.count("\n") == 1 and "Traceback" not in err


def test_an_oversized_zip_is_refused_unopened(tmp_path, monkeypatch):
    zipped(tmp_path / "s.zip", [("s.txt", TEXT)])
    monkeypatch.setattr(submission, "MAX_ZIP_BYTES", 10)
    with pytest.raises(DataError, match="at most 10 are read"):
        read_submission(tmp_path / "s.zip")


def test_a_missing_submission_says_so(tmp_path):
    for name in ("s.txt", "s.zip"):
        with pytest.raises(DataError, match="No such file"):
            read_submission(tmp_path / name)


def test_a_place_that_cannot_be_written_leaves_nothing(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(ArtifactError, match="cannot write"):
        write_submission(tmp_path / "file" / "s.txt", ROWS)
    with pytest.raises(ArtifactError, match="cannot write"):
        write_submission(tmp_path, ROWS)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
