"""Whatever is done to a file of a corpus, its reader yields valid pairs or raises one DataError.

FUZZ_EXAMPLES=20000 in the environment tries more than the few that a test run affords.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from corpora_support import FORMS, NAMES, SAMPLES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from final_project.data.corpora import CORPORA
from final_project.errors import DataError

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "150"))
SEED_LINES = 30

PIECES = [
    *(
        b"\t",
        b",",
        b"||",
        b"|",
        b'"',
        b'""',
        b"\n",
        b"\r",
        b"\r\n",
        b"\n\n",
        b" ",
        b"\0",
        b"\xff",
        b"\xe4\xbd",
        b"\x85",
    ),
    *(b"0", b"1", b"2", b"5", b"-", b"-1", b"null", b"true", b"1e999", b"9" * 5000, b"neutral", b"entailment"),
    *(b"{", b"}", b"[", b"]", b":", b"\\", b'\\"', b"\\ud800", b"\\u0000", b"[" * 3000, b'{"a":' * 3000),
    *(b"<", b">", b"</", b"/>", b"&", b"&amp;", b"&#0;", b"&#xd800;", b"&x;", b"]]>", b"<![CDATA[", b"<!--", b"-->"),
    *(b"<!DOCTYPE a>", b"<?xml?>", b"<question>", b"</question>", b"</Questions>", b"<Questions>"),
    *(b"\xef\xbb\xbf", b"\xff\xfe", "\u2028".encode(), "\u3000".encode(), "\ufeff".encode(), b"\x1c", b"\x0b"),
    *(b"sentence1\tsentence2\tlabel\n", b"sentence1,sentence2\n", b"label", b'"labelA": "1", ', b'"label": "0", '),
]


def seeds(corpus: str) -> list[bytes]:
    """The first lines of the corpus's real samples where they are at hand, and its made-up files."""
    samples = sorted((SAMPLES / corpus).glob("*")) if SAMPLES.is_dir() else []
    real = [b"".join(path.read_bytes().splitlines(keepends=True)[:SEED_LINES]) for path in samples]
    return real + [form.text.encode() for form in FORMS if form.corpus == corpus]


def insert(content: bytes, place: int, piece: bytes, length: int) -> bytes:
    return content[:place] + piece + content[place:]


def replace(content: bytes, place: int, piece: bytes, length: int) -> bytes:
    return content[:place] + piece + content[place + length :]


def delete(content: bytes, place: int, piece: bytes, length: int) -> bytes:
    return content[:place] + content[place + length :]


def cut(content: bytes, place: int, piece: bytes, length: int) -> bytes:
    return content[:place]


def repeat(content: bytes, place: int, piece: bytes, length: int) -> bytes:
    return content[:place] + content[place : place + length] * 3 + content[place + length :]


def swap_lines(content: bytes, place: int, piece: bytes, length: int) -> bytes:
    rows = content.splitlines(keepends=True) or [b""]
    one, other = place % len(rows), (place + length) % len(rows)
    rows[one], rows[other] = rows[other], rows[one]
    return b"".join(rows)


def repeat_columns(content: bytes, place: int, piece: bytes, length: int) -> bytes:
    """In every line, or in one, the column at some place comes twice."""
    separator = (b"\t", b",", b"||", b", ")[place % 4]
    rows = content.split(b"\n")
    for number in range(len(rows)) if length % 2 else (place % len(rows),):
        columns = rows[number].split(separator)
        at = length % len(columns)
        rows[number] = separator.join([*columns[:at], columns[at], *columns[at:]])
    return b"\n".join(rows)


MUTATIONS = (insert, replace, delete, cut, repeat, swap_lines, repeat_columns)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(MUTATIONS),
        st.integers(0, 100_000),
        st.one_of(
            st.sampled_from(PIECES), st.binary(max_size=4), st.characters().map(lambda c: c.encode("utf-8", "replace"))
        ),
        st.integers(1, 60),
    ),
    min_size=1,
    max_size=5,
)


@pytest.mark.parametrize("corpus", NAMES)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_a_mutated_file_gives_valid_pairs_or_one_error(tmp_path, corpus, data):
    content = data.draw(st.sampled_from(SEEDS[corpus]))
    for mutate, place, piece, length in data.draw(STEPS):
        content = mutate(content, place % (len(content) + 1), piece, length)
    path = tmp_path / data.draw(st.sampled_from(["train.txt", "train.csv"]))
    path.write_bytes(content)
    check(corpus, path)


SEEDS = {corpus: seeds(corpus) for corpus in NAMES}


@pytest.mark.parametrize("corpus", NAMES)
@settings(max_examples=EXAMPLES // 4, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(content=st.one_of(st.binary(max_size=200), st.lists(st.sampled_from(PIECES), max_size=20).map(b"".join)))
def test_anything_at_all_gives_valid_pairs_or_one_error(tmp_path, corpus, content):
    (tmp_path / "train.txt").write_bytes(content)
    check(corpus, tmp_path / "train.txt")


def check(corpus: str, path: Path) -> None:
    try:
        pairs = list(CORPORA[corpus].read(path))
        reason = CORPORA[corpus].why_not_text(path)
    except DataError as error:
        assert str(error).startswith(f"{path}:") and len(str(error)) < len(str(path)) + 250
        return
    assert reason is None or (isinstance(reason, str) and corpus == "GAIIC2021_Task3")
    for pair in pairs:
        for sentence in (pair.sentence1, pair.sentence2):
            assert isinstance(sentence, str) and sentence.strip() and "\0" not in sentence and sentence.encode()
        assert pair.label in (0, 1, None) and type(pair.label) is not bool
    assert len({pair.label is None for pair in pairs}) <= 1
