"""The column names that tables and JSON rows may use: one list for every reader.

Letter case, width, blanks, `_` and `-` in a name say nothing: `Text_A`, `text a` and `TEXTA` are one name.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from final_project.errors import DataError

STEMS = (
    *("sentence", "text", "query", "question", "q", "s", "sent"),
    *(
        "string",
        "str",
        "sen",
        "content",
        "title",
        "document",
        "doc",
        "paragraph",
        "phrase",
        "utterance",
        "input",
    ),
    *("标题", "内容", "语句", "文档", "短语", "句子", "文本", "问题", "问句", "句"),
)
SENTENCES = (
    *((f"{stem}1", f"{stem}2") for stem in STEMS),
    *((f"{stem}_a", f"{stem}_b") for stem in STEMS),
    *((f"{stem}一", f"{stem}二") for stem in STEMS[-10:]),
    ("query", "title"),
    ("premise", "hypothesis"),
    ("anchor", "positive"),
    ("query", "document"),
    ("query", "passage"),
    ("left", "right"),
    ("source", "target"),  # last: next to other names, `source` holds a row's origin
)
LABELS = (  # a name of a later line says label only where none of an earlier one is there
    ("label", "gold_label", "labelA", "labelB", "is_duplicate", "标签"),
    (
        *("labels", "gold", "similar", "is_similar", "same", "is_same", "match", "is_match", "duplicate", "equivalent"),
        *(
            "is_paraphrase",
            "entailment",
            "是否相似",
            "是否相同",
            "是否一致",
            "是否匹配",
            "是否同义",
            "是否重复",
            "标注",
        ),
    ),
    ("score", "similarity", "similarity_score", "sim", "相似度", "分数", "得分"),
)
LONGEST = 24  # characters; no name is longer, blanks included


@dataclass(frozen=True)
class NamedColumns:
    """Places from 0; label is None where no name says label."""

    sentence1: int
    sentence2: int
    label: int | None


def normal_name(name: str) -> str:
    """How names are compared; quotes around a name, which a TSV does not take away, say nothing either."""
    text = unicodedata.normalize("NFKC", name.strip("\ufeff")).lower()
    return "".join(text.split()).replace("_", "").replace("-", "").strip("\"'")


_PAIRS = tuple((normal_name(first), normal_name(second)) for first, second in SENTENCES)
_KNOWN = frozenset(name for pair in _PAIRS for name in pair)
_LABELS = tuple(frozenset(map(normal_name, names)) for names in LABELS)


def named_columns(header: Sequence[str]) -> NamedColumns | None:
    """Where a header names two sentences; None where the row is no header.

    Two names that go together may be anywhere; any two of the list, such as `query` and `text2`, only in front.
    """
    if not any(len(name) <= LONGEST and normal_name(name) in _KNOWN for name in header):
        return None
    names = [normal_name(name) for name in header]
    places = {name: names.index(name) for name in names}
    label = next((names.index(normal_name(name)) for name in label_keys(names)), None)
    for first, second in _PAIRS:
        if first in places and second in places:
            return NamedColumns(places[first], places[second], label)
    if len(names) > 1 and names[0] != names[1] and {names[0], names[1]} <= _KNOWN:
        return NamedColumns(0, 1, label)
    return None


def is_header(columns: Sequence[str]) -> bool:
    return named_columns(columns) is not None


@lru_cache(maxsize=16)
def sentence_keys(keys: tuple[str, ...]) -> tuple[str | None, str | None]:
    """Which of a JSON object's keys, or a Parquet file's columns, hold the two sentences.

    Where one of the two is not there, None in its place, and the name that it should have in `missing_key`.
    """
    found = {normal_name(key): key for key in reversed(keys)}
    for first, second in _PAIRS:
        if first in found and second in found:
            return found[first], found[second]
    for first, second in _PAIRS:
        if first in found or second in found:
            return found.get(first), found.get(second)
    return None, None


def missing_key(keys: Sequence[str]) -> str:
    """The name of the first sentence that is lacking among the keys of a row."""
    found = {normal_name(key) for key in keys}
    for (first, second), (name1, name2) in zip(_PAIRS, SENTENCES, strict=True):
        if first in found or second in found:
            return name2 if first in found else name1
    return SENTENCES[0][0]


def require_sentence_keys(path: Path, line: int, keys: Iterable[str]) -> tuple[str, str]:
    """The keys of the two sentences; raises DataError where one is missing."""
    names = tuple(keys)
    first, second = sentence_keys(names)
    if first is None or second is None:
        raise DataError(path, f"missing key {missing_key(names)!r}; found {listed(names) or 'no key'}", line)
    return first, second


def label_keys(keys: Sequence[str]) -> list[str]:
    """The keys that name a label: those of the first line of LABELS that has any."""
    named = ([key for key in keys if normal_name(key) in names] for names in _LABELS)
    return next(filter(None, named), [])


def listed(names: Sequence[str]) -> str:
    """Names for a message, on one line and not too many."""
    return " ".join(", ".join(names).split())[:60]
