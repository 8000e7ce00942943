"""Whatever is done to a file, its reader refuses it in one sentence or reads what an independent reading finds there.

2,000 mutations of each format with --thorough, 100 without; they are drawn by a seed, so that a failure comes again.
"""

from __future__ import annotations

import csv
import io
import math
import random
import struct
import zlib
from pathlib import Path

import pytest
from fuzz_support import (
    CONTEST,
    SEEDS,
    SUBMISSION,
    is_text,
    lines_of,
    mutated,
    mutated_bytes,
    pairs_of_csv,
    pairs_of_jsonl,
    pairs_of_tsv,
    strict_json,
)

from final_project.data.files.contest import read_segmented, write_segmented
from final_project.data.files.predictions import read_prediction_file
from final_project.data.files.tables import read_pairs, write_pairs_csv
from final_project.errors import ProjectError
from similarity_v1.evaluate.gold import read_gold
from similarity_v1.rationales.submission import format_row, read_submission, write_submission, write_zip
from similarity_v1.rationales.word_scores import read_scores

OF_ANOTHER_FORMAT = (AssertionError, ValueError, LookupError, csv.Error, RecursionError, AttributeError, TypeError)
OF_ANOTHER_FORMAT += (StopIteration,)


def check_pairs(path: Path) -> None:
    pairs = read_pairs(path)
    assert pairs and all(is_text(side) for pair in pairs for side in (pair.sentence1, pair.sentence2))
    content, found = path.read_bytes(), []
    for oracle in (pairs_of_tsv, pairs_of_csv, pairs_of_jsonl):
        try:
            found.append(oracle(content))
        except (
            AssertionError,
            ValueError,
            IndexError,
            StopIteration,
            csv.Error,
            RecursionError,
            AttributeError,
            TypeError,
        ):
            continue
    assert pairs in found
    write_pairs_csv(path.with_name("again.csv"), pairs)
    assert read_pairs(path.with_name("again.csv")) == pairs


def check_contest(path: Path) -> None:
    rows = read_segmented(path)
    for row, line in zip(rows, map(strict_json, lines_of(path.read_bytes())), strict=True):
        assert is_text(row.query) and is_text(row.title) and (row.query, row.title) == (line["query"], line["title"])
        assert row.id == int(line["id"]) and (list(row.words_q), list(row.words_t)) == (
            line["text_q_seg"],
            line["text_t_seg"],
        )
        for words, text in ((row.words_q, row.query), (row.words_t, row.title)):
            assert "".join("".join(words).split()) == "".join(text.split())
    assert len({row.id for row in rows}) == len(rows)
    write_segmented(path.with_name("again.jsonl"), rows)
    assert read_segmented(path.with_name("again.jsonl")) == rows


def check_predictions(path: Path) -> None:
    found = read_prediction_file(path)
    text = path.read_bytes().decode("utf-8-sig")
    header, *rows = (
        row for row in csv.reader(io.StringIO(text, newline="")) if row and (len(row) > 1 or row[0].strip())
    )
    names = [name.strip().lower() for name in header]
    ids = [row[names.index(found.id_column)].strip() for row in rows]
    values = [float(row[names.index("probability")]) for row in rows]
    assert ids == found.ids and len({*ids}) == len(ids) and values == found.probabilities_B.tolist()
    assert all(math.isfinite(value) and 0 <= value <= 1 for value in values)


def check_scores(path: Path) -> None:
    rows = read_scores(path, CONTEST)
    words = {row.id: (len(row.words_q), len(row.words_t)) for row in CONTEST}
    for row, line in zip(rows, map(strict_json, lines_of(path.read_bytes())), strict=True):
        assert (len(row.scores_q), len(row.scores_t)) == words[row.id] and row.id == int(line["id"])
        assert all(map(math.isfinite, (*row.scores_q, *row.scores_t)))
        assert [*row.scores_q, *row.scores_t] == line["scores_q"] + line["scores_t"]


def check_gold(path: Path) -> None:
    for row, line in zip(read_gold(path), map(strict_json, lines_of(path.read_bytes())), strict=True):
        assert row.id == int(line["sent_id"]) and row.label in (0, 1) and row.words_q == tuple(line["text_q_seg"])
        for sets, words in ((row.sets_q, row.words_q), (row.sets_t, row.words_t)):
            assert all(0 <= place < len(words) for one in sets for place in one)


def check_submission(path: Path) -> None:
    rows = [row for _, row in read_submission(path)]
    check_rows(rows, path.read_bytes())
    write_submission(path.with_name("again.txt"), rows)
    assert [row for _, row in read_submission(path.with_name("again.txt"))] == rows


def check_rows(rows, content: bytes) -> None:
    lines = lines_of(content)
    assert len(lines) == len(rows) > 0 and len({row.id for row in rows}) == len(rows)
    for row, line in zip(rows, lines, strict=True):
        identifier, label, *sides = line.split("\t")
        assert (row.id, row.label) == (int(identifier), int(label)) and row.label in (0, 1) and len(sides) == 2
        for chosen, side in zip((row.words_q, row.words_t), sides, strict=True):
            assert chosen and all(place >= 0 for place in chosen) and side.isascii()
            assert [*chosen] == [int(place) for place in side.split(",")]
        assert format_row(row).count("\t") == 3


def check_zip(path: Path) -> None:
    """The zip's only entry, found by hand and inflated by zlib, of the sum that its directory states."""
    rows = [row for _, row in read_submission(path)]
    raw = path.read_bytes()
    end = raw.rindex(b"PK\x05\x06")
    (directory,) = [place for place in range(end) if raw[place : place + 4] == b"PK\x01\x02"]
    flags, method, _, total, n_packed, n_bytes = struct.unpack("<HHIIII", raw[directory + 8 : directory + 28])
    (n_name,) = struct.unpack("<H", raw[directory + 28 : directory + 30])
    header = raw.rindex(b"PK\x03\x04", 0, directory)
    skipped = sum(struct.unpack("<HH", raw[header + 26 : header + 30]))
    packed = raw[header + 30 + skipped : header + 30 + skipped + n_packed]
    content = packed if method == 0 else zlib.decompressobj(-15).decompress(packed)
    assert method in (0, 8) and not flags & 0x41 and n_name > 4
    assert zlib.crc32(content) == total and len(content) == n_bytes
    check_rows(rows, content)


CHECKS = {
    "tsv": (check_pairs, ("a.tsv", "a.txt", "a.csv")),
    "csv": (check_pairs, ("a.csv", "a.txt")),
    "jsonl": (check_pairs, ("a.jsonl", "a.txt")),
    "contest": (check_contest, ("a.jsonl",)),
    "predictions": (check_predictions, ("a.csv",)),
    "scores": (check_scores, ("a.jsonl",)),
    "gold": (check_gold, ("a.jsonl",)),
    "submission": (check_submission, ("a.txt",)),
}  # fmt: skip


def refused_or_right(check, path: Path) -> bool:
    """Whether it was accepted; anything but one sentence of ours, or an accepted file that is not right, fails."""
    try:
        check(path)
    except ProjectError as error:
        assert str(error).startswith(str(path)) and "\n" not in str(error) and len(str(error)) < len(str(path)) + 300
        return False
    return True


def go_through(kind: str, n_mutations: int, tmp_path: Path) -> None:
    check, names = CHECKS[kind]
    rng, accepted = random.Random(f"fuzz {kind}"), 0
    for number, text in enumerate(SEEDS[kind]):
        (tmp_path / names[0]).write_bytes(text.encode())
        assert refused_or_right(check, tmp_path / names[0]), f"seed {number}"
    for number in range(n_mutations):
        content = mutated(rng.choice(SEEDS[kind]), rng)
        path = tmp_path / rng.choice(names)
        path.write_bytes(content)
        try:
            accepted += refused_or_right(check, path)
        except BaseException:
            print(f"mutation {number} of {kind}: {content!r}")
            raise
    assert 0 < accepted < n_mutations, "some mutations do no harm, and most do"


def go_through_zips(n_mutations: int, tmp_path: Path) -> None:
    (tmp_path / "s.txt").write_text(SUBMISSION * 1)
    write_zip(tmp_path / "seed.zip", tmp_path / "s.txt")
    seed, rng, accepted = (tmp_path / "seed.zip").read_bytes(), random.Random("fuzz zip"), 0
    for number in range(n_mutations):
        content = mutated_bytes(seed, rng)
        (tmp_path / "s.zip").write_bytes(content)
        try:
            accepted += refused_or_right(check_zip, tmp_path / "s.zip")
        except BaseException:
            print(f"mutation {number} of zip: {content!r}")
            raise
    assert 0 < accepted < n_mutations


@pytest.mark.parametrize("kind", CHECKS)
def test_some_mutations_of_every_format_are_refused_or_read_right(tmp_path, kind):
    go_through(kind, 100, tmp_path)


def test_some_mutations_of_a_zip_are_refused_or_read_right(tmp_path):
    go_through_zips(100, tmp_path)


@pytest.mark.thorough
@pytest.mark.parametrize("kind", CHECKS)
def test_many_mutations_of_every_format_are_refused_or_read_right(tmp_path, kind):
    go_through(kind, 2000, tmp_path)


@pytest.mark.thorough
def test_many_mutations_of_a_zip_are_refused_or_read_right(tmp_path):
    go_through_zips(2000, tmp_path)
