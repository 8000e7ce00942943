"""The records that stages hand to one another.

Pair            two sentences and, where known, a label: what the classifier learns from.
SegmentedPair   two sentences with their given words: what a rationale points into. Word indices count from 0.
Rationale       a label and, per side, the positions of the words that carried the decision, most important first.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pair:
    """label: 1 same meaning, 0 not, None unknown."""

    sentence1: str
    sentence2: str
    label: int | None = None


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
