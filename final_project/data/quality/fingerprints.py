"""What the checks need to know of pairs, without their text: a few numbers a pair, so that millions fit in memory.

Two sentences are the same where their 64-bit hashes are. Among five million sentences the chance that any two different
ones share a hash is below one in a million. N pairs; the last axis of size 2 is the side.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import xxhash

from final_project.chunks import in_chunks
from final_project.data.records import Pair

CHUNK = 20_000
UNKNOWN = -1  # label of an unlabelled pair
ODD = np.uint64(0x9E3779B97F4A7C15)  # multiplying by an odd number loses no bits


@dataclass(frozen=True)
class Fingerprints:
    """exact_N2: hash of each sentence as it is. normal_N2: hash of its normal form. length_N2: characters.
    label_N: 0, 1, or UNKNOWN."""

    exact_N2: np.ndarray
    normal_N2: np.ndarray
    length_N2: np.ndarray
    label_N: np.ndarray

    def __len__(self) -> int:
        return len(self.label_N)

    def __getitem__(self, rows: np.ndarray | slice) -> Fingerprints:
        """Those of some rows, chosen as numpy chooses."""
        return Fingerprints(self.exact_N2[rows], self.normal_N2[rows], self.length_N2[rows], self.label_N[rows])

    @property
    def normal_pairs_N(self) -> np.ndarray:
        """One number a pair, equal where the pairs are the same: this is the one notion of the same pair. The normal
        forms are equal, in either order, since which sentence came first says nothing about the meaning."""
        return self.normal_N2.min(axis=1) * ODD + self.normal_N2.max(axis=1)


def normal_form(sentence: str) -> str:
    """How sentences are compared: NFKC, lower case, no white space."""
    return "".join(unicodedata.normalize("NFKC", sentence).lower().split())


def fingerprints(pairs: Iterable[Pair]) -> Fingerprints:
    """One pass over the pairs, one chunk of them in memory."""
    taker = Fingerprinter()
    for _ in taker.through(pairs):
        pass
    return taker.result()


class Fingerprinter:
    """Takes the fingerprints of pairs on their way to somewhere else."""

    def __init__(self):
        self._chunks: list[Fingerprints] = []

    def through(self, pairs: Iterable[Pair]) -> Iterator[Pair]:
        """The same pairs."""
        for chunk in in_chunks(pairs, CHUNK):
            self._chunks.append(fingerprints_of_chunk(chunk))
            yield from chunk

    def result(self) -> Fingerprints:
        """Those of all pairs that have passed."""
        return joined(self._chunks)


def fingerprints_of_chunk(pairs: Sequence[Pair]) -> Fingerprints:
    sides = [side for pair in pairs for side in (pair.sentence1, pair.sentence2)]
    digest = xxhash.xxh3_64_intdigest

    def column(values: Iterable[int], kind: type) -> np.ndarray:
        return np.fromiter(values, dtype=kind, count=len(sides)).reshape(-1, 2)

    return Fingerprints(
        exact_N2=column(map(digest, map(str.encode, sides)), np.uint64),
        normal_N2=column(map(digest, map(str.encode, map(normal_form, sides))), np.uint64),
        length_N2=column(map(len, sides), np.int32),
        label_N=np.array([UNKNOWN if pair.label is None else pair.label for pair in pairs], dtype=np.int8),
    )


def joined(chunks: Sequence[Fingerprints]) -> Fingerprints:
    """One after the other."""
    chunks = [fingerprints_of_chunk([]), *chunks]
    fields = Fingerprints.__dataclass_fields__
    return Fingerprints(*(np.concatenate([getattr(chunk, field) for chunk in chunks]) for field in fields))


def distinct(values: np.ndarray) -> np.ndarray:
    """The distinct values, flat and sorted: np.unique, but by sorting, which for millions is ten times faster than the
    hash table that numpy builds."""
    ordered = np.sort(values, axis=None)
    is_first = np.ones(len(ordered), dtype=bool)
    is_first[1:] = ordered[1:] != ordered[:-1]
    return ordered[is_first]


def found_in(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which of the values occur among `known`, which is sorted; same shape as values, bool."""
    if not len(known):
        return np.zeros(values.shape, dtype=bool)
    places = np.searchsorted(known, values)
    return known[np.minimum(places, len(known) - 1)] == values
