"""Rows to explain: those of the contest's JSONL with their words, or any file of pairs, taken apart by script."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from final_project.data.files.contest import iter_segmented
from final_project.data.files.how_to_read import AS_NAMED, HowToRead
from final_project.data.files.pair_file import PairFile
from final_project.data.files.tables import iter_pairs
from final_project.data.records import Pair, SegmentedPair
from final_project.text.script_words import words_by_script


def read_explained(path: str | Path, how: HowToRead = AS_NAMED) -> list[SegmentedPair]:
    """`iter_explained` as a list."""
    return list(iter_explained(path, how))


def iter_explained(path: str | Path, how: HowToRead = AS_NAMED, say: bool = True) -> Iterator[SegmentedPair]:
    """The rows of a file, one at a time: of the contest as they are, others as `segment_by_script` takes them apart,
    numbered from 1. say: log how they were read. Raises DataError with file and line."""
    if PairFile(path, how).is_contest:
        return (row for _, row in iter_segmented(path))
    pairs = iter_pairs(path, labelled=False, how=how, say=say)
    return (segment_by_script(number, pair) for number, pair in enumerate(pairs, start=1))


def segment_by_script(number: int, pair: Pair) -> SegmentedPair:
    """A row to explain: Chinese characters one by one, whole words of other scripts (see script_words)."""
    words = map(words_by_script, (pair.sentence1, pair.sentence2))
    return SegmentedPair(number, pair.sentence1, pair.sentence2, *words)
