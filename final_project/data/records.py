"""The records that stages hand to one another.

Pair            two sentences and, where known, a label: what the classifier learns from.
SegmentedPair   two sentences with their given words: what a rationale points into. Word indices count from 0.
TextRow         one text with an id and, where known, scores or a named label: what a scorer learns from.
Rationale       a label and, per side, the positions of the words that carried the decision, most important first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from final_project.errors import DataError


@dataclass(frozen=True, slots=True)
class Pair:
    """label: 1 same meaning, 0 not, None unknown."""

    sentence1: str
    sentence2: str
    label: int | None = None


@dataclass(frozen=True, slots=True)
class TextRow:
    """scores: one a target, None where unknown. label: a name, None where unknown. group: texts of one group, such as
    an author's, stay together; empty: the text stands alone."""

    id: str
    text: str
    scores: tuple[float | None, ...] = ()
    label: str | None = None
    group: str = ""


@dataclass(frozen=True, slots=True)
class SegmentedPair:
    """One row of the contest's JSONL. words_q joined give query, spaces aside; likewise words_t and title."""

    id: int
    query: str
    title: str
    words_q: tuple[str, ...]
    words_t: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rationale:
    """One submission line: id<TAB>label<TAB>i,j,...<TAB>i,j,..."""

    id: int
    label: int
    words_q: tuple[int, ...]
    words_t: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class GoldRow:
    """One row of gold rationales. Each side holds one or more alternative sets of word positions.

    sample_type: "ori" or "disturb"; rel_ids, on originals, name the perturbed rows made from it.
    """

    id: int
    label: int
    sets_q: tuple[tuple[int, ...], ...]
    sets_t: tuple[tuple[int, ...], ...]
    words_q: tuple[str, ...]
    words_t: tuple[str, ...]
    sample_type: str = "ori"
    rel_ids: tuple[int, ...] = ()


def require_aligned(pairs: Sequence[SegmentedPair], rows: Sequence[Rationale]) -> None:
    """Raises DataError unless rows[i] explains pairs[i], by positions that the pair's words have."""
    if len(pairs) != len(rows):
        raise DataError("rationales", f"expected one a pair, found {len(rows)} for {len(pairs)} pairs")
    for number, (pair, row) in enumerate(zip(pairs, rows, strict=True)):
        if pair.id != row.id:
            raise DataError(f"rationales: row {number}", f"expected id {pair.id}, the pair's, found {row.id}")
        for chosen, words in ((row.words_q, pair.words_q), (row.words_t, pair.words_t)):
            for place in chosen:
                if not 0 <= place < len(words):
                    raise DataError(f"rationales: id {row.id}", f"no word {place}, there are {len(words)}, from 0")
