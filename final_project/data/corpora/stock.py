"""Count what the files of a corpus hold, by reading them, and compare it with the published counts.

agrees      every part that the collection took in is there, and the pairs are the published ones
incomplete  parts are missing, or lack their labels; those that are there have their published counts
differs     the counts are other than published
absent      nothing is there of what the collection took in
faulty      a file cannot be read as what it should be
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from final_project.data.corpora.entry import Corpus, Counts, Part
from final_project.data.corpora.inventory import COLLECTION, find_parts, missing_parts
from final_project.data.records import Pair
from final_project.errors import DataError

State = Literal["agrees", "incomplete", "differs", "absent", "faulty"]


@dataclass(frozen=True)
class Tally:
    """How many pairs of each label."""

    positive: int = 0
    negative: int = 0
    unlabelled: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(self.positive + other.positive, self.negative + other.negative, self.unlabelled + other.unlabelled)

    @property
    def counts(self) -> Counts:
        return self.positive, self.negative


@dataclass(frozen=True)
class Stock:
    """What was found of one corpus.

    files      part name -> file, as `find_parts` gives them
    tallies    part name -> its pairs; without the parts below a fault
    missing    parts that the collection took in and that are not there
    total      the pairs of what the collection took in
    remark     the counts that differ, the labels that are missing, or the fault
    """

    corpus: Corpus
    state: State
    files: dict[str, Path] = field(default_factory=dict)
    tallies: dict[str, Tally] = field(default_factory=dict)
    missing: list[Part] = field(default_factory=list)
    total: Tally = Tally()
    remark: str = ""

    def __str__(self) -> str:
        return f"{self.state} ({self.remark})" if self.remark else self.state


def take_stock(corpus: Corpus, folders: list[Path]) -> Stock:
    """Find the corpus and read all of it, streamed. A fault in a file is an answer here and not raised."""
    files: dict[str, Path] = {}
    tallies: dict[str, Tally] = {}
    missing: list[Part] = []
    try:
        files, missing = find_parts(corpus, folders), missing_parts(corpus, folders)
        for name, path in files.items():
            tallies[name] = tally(corpus.read(path))
        state, remark = _judge(corpus, _taken_in(corpus, tallies), missing)
    except DataError as error:
        state, remark = "faulty", str(error)
    return Stock(corpus, state, files, tallies, missing, _sum(_taken_in(corpus, tallies).values()), remark)


def tally(pairs: Iterable[Pair]) -> Tally:
    number = {1: 0, 0: 0, None: 0}
    for pair in pairs:
        number[pair.label] += 1
    return Tally(number[1], number[0], number[None])


def _sum(tallies: Iterable[Tally]) -> Tally:
    return sum(tallies, Tally())


def _taken_in(corpus: Corpus, tallies: dict[str, Tally]) -> dict[str, Tally]:
    """Those of what the collection took in, or of its own file."""
    names = {COLLECTION, *(part.name for part in corpus.parts if part.merged)}
    return {name: counted for name, counted in tallies.items() if name in names}


def _judge(corpus: Corpus, taken_in: dict[str, Tally], missing: list[Part]) -> tuple[State, str]:
    if not taken_in:
        return "absent", ""
    without_labels = [name for name, counted in taken_in.items() if counted.unlabelled and not any(counted.counts)]
    if missing or without_labels:
        published = {part.name: Tally(*part.counts) for part in corpus.parts if part.counts}
        compared = [name for name in taken_in if name in published and name not in without_labels]
        found, expected = _sum(taken_in[name] for name in compared), _sum(published[name] for name in compared)
    else:
        found, expected = _sum(taken_in.values()), Tally(*corpus.counts)
    if found.counts != expected.counts:
        return "differs", "found {:,}/{:,}, published {:,}/{:,}".format(*found.counts, *expected.counts)
    if without_labels:
        return "incomplete", f"no labels in {', '.join(without_labels)}"
    return ("incomplete" if missing else "agrees"), ""
