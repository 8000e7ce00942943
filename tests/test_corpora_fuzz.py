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

from final_project.data.corpora.registry import CORPORA
from final_project.errors import DataError

EXAMPLES = int(os.environ.get("FUZZ_EXAMPLES", "150"))
SEED_LINES = 30

PIECES = [
    *("\t", ",", "||", "|", '"', '""', "\n", "\r", "\r\n", "\n\n", " ", "\0", "\udcff", "\udce4\udcbd", "\x85"),
    *("0", "1", "2", "5", "-", "-1", "null", "true", "1e999", "9" * 5000, "neutral", "entailment", "甲", "12 7"),
    *("{", "}", "[", "]", ":", "\\", '\\"', "\\ud800", "\\u0000", "[" * 3000, '{"a":' * 3000),
    *("<", ">", "</", "/>", "&", "&amp;", "&#0;", "&#xd800;", "&x;", "]]>", "<![CDATA[", "<!--", "-->"),
    *("<!DOCTYPE a>", "<?xml?>", "<question>", "</question>", "</Questions>", "<Questions>"),
    *("\ufeff", "\udcff\udcfe", "\u2028", "\u3000", "\u200b", "\x1c", "\x0b"),
    *("sentence1\tsentence2\tlabel\n", "sentence1,sentence2\n", "label", '"labelA": "1", ', '"label": "0", '),
]


def seeds(corpus: str) -> list[str]:
    """The first lines of the corpus's real samples where they are at hand, and its made-up files."""
    samples = sorted((SAMPLES / corpus).glob("*")) if SAMPLES.is_dir() else []
    real = [b"".join(path.read_bytes().splitlines(keepends=True)[:SEED_LINES]) for path in samples]
    return [*map(text_of, real), *(form.text for form in FORMS if form.corpus == corpus)]


def text_of(content: bytes) -> str:
    """Mutations work on characters, so that most results are still UTF-8; bytes that are none come as surrogates."""
    return content.decode("utf-8", "surrogateescape")


def bytes_of(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def insert(text: str, place: int, piece: str, length: int) -> str:
    return text[:place] + piece + text[place:]


def replace(text: str, place: int, piece: str, length: int) -> str:
    return text[:place] + piece + text[place + length :]


def delete(text: str, place: int, piece: str, length: int) -> str:
    return text[:place] + text[place + length :]


def cut(text: str, place: int, piece: str, length: int) -> str:
    return text[:place]


def cut_bytes(text: str, place: int, piece: str, length: int) -> str:
    content = bytes_of(text)
    return text_of(content[:place] + content[place + length % 4 :])


def repeat(text: str, place: int, piece: str, length: int) -> str:
    return text[:place] + text[place : place + length] * 3 + text[place + length :]


def swap_lines(text: str, place: int, piece: str, length: int) -> str:
    rows = text.split("\n")
    one, other = place % len(rows), (place + length) % len(rows)
    rows[one], rows[other] = rows[other], rows[one]
    return "\n".join(rows)


def repeat_columns(text: str, place: int, piece: str, length: int) -> str:
    """In every line, or in one, the column at some place comes twice."""
    separator = ("\t", ",", "||", ", ")[place % 4]
    rows = text.split("\n")
    for number in range(len(rows)) if length % 2 else (place % len(rows),):
        columns = rows[number].split(separator)
        at = length % len(columns)
        rows[number] = separator.join([*columns[:at], columns[at], *columns[at:]])
    return "\n".join(rows)


def drop_columns(text: str, place: int, piece: str, length: int) -> str:
    """Every line without the column at some place."""
    separator = ("\t", ",", "||", ", ")[place % 4]
    rows = [row.split(separator) for row in text.split("\n")]
    return "\n".join(separator.join(row[: length % 5] + row[length % 5 + 1 :]) for row in rows)


MUTATIONS = (insert, replace, delete, cut, cut_bytes, repeat, swap_lines, repeat_columns, drop_columns)
STEPS = st.lists(
    st.tuples(
        st.sampled_from(MUTATIONS),
        st.integers(0, 100_000),
        st.sampled_from(PIECES) | st.binary(max_size=4).map(text_of) | st.characters(exclude_categories=("Cs",)),
        st.integers(1, 40),
    ),
    min_size=1,
    max_size=4,
)
SEEDS = {corpus: seeds(corpus) for corpus in NAMES}


@pytest.mark.stage
@pytest.mark.parametrize("corpus", NAMES)
@settings(
    max_examples=EXAMPLES,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(data=st.data())
def test_a_mutated_file_gives_valid_pairs_or_one_error(tmp_path, corpus, data):
    text = data.draw(st.sampled_from(SEEDS[corpus]))
    for mutate, place, piece, length in data.draw(STEPS):
        text = mutate(text, place % (len(text) + 1), piece, length)
    path = tmp_path / data.draw(st.sampled_from(["train.txt", "train.csv"]))
    path.write_bytes(bytes_of(text))
    check(corpus, path)


@pytest.mark.parametrize("corpus", NAMES)
@settings(max_examples=EXAMPLES // 4, deadline=None, database=None, suppress_health_check=list(HealthCheck))
@given(text=st.binary(max_size=200).map(text_of) | st.lists(st.sampled_from(PIECES), max_size=20).map("".join))
def test_anything_at_all_gives_valid_pairs_or_one_error(tmp_path, corpus, text):
    (tmp_path / "train.txt").write_bytes(bytes_of(text))
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
