"""Texts that nearly repeat an earlier one: MinHash finds candidates, their exact similarity decides.

The similarity of two texts is the Jaccard similarity of their sets of two neighbouring characters, the ends of lines
included: those in common / all. So the order of lines does not matter; texts of twenty characters that differ in one
have 0.83.

Two texts are candidates where one band of their MinHash signatures is equal. A pair of similarity s escapes all bands
of r values with probability (1 - s^r)^bands; what is below the threshold is never reported. Where a crowd of texts
shares a band, each is compared with the earliest hundred only, since all with all would be quadratic.

N texts, D distinct ones, C candidates, S shingles of all texts, B bands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import xxhash

from final_project.chunks import in_chunks

SIGNATURE = 128  # values; the bands share them
RECALL = 0.95  # least probability that a pair of exactly the threshold's similarity is found
CHUNK = 1024  # texts whose signatures are made at once
COMPARED = 100  # of the texts that share a band, so many of the earliest are compared with each
SHINGLES_AT_ONCE = 500_000  # of candidates that are compared
ODD = np.uint64(0x9E3779B97F4A7C15)


def near_duplicates(texts: Iterable[str], threshold: float, seed: int) -> np.ndarray:
    """(N,) int64: the number of the earliest text that each nearly repeats, its own where it repeats none.

    threshold: similarity from which a text nearly repeats another, 0.05 to 1. That other text may itself nearly repeat
    a third. Equal texts are always found; similar ones with a probability of at least 0.95 at the threshold, which soon
    comes close to 1 above it. The same arguments give the same numbers.
    """
    assert 0.05 <= threshold <= 1, threshold
    n_rows = _rows_per_band(threshold)
    known = _read(texts, n_rows, seed)
    _, first_D, place_N = np.unique(known.digest_N, return_index=True, return_inverse=True)
    distinct_D = np.sort(first_D)
    earliest_N = np.arange(len(place_N))
    for band_N in known.band_BN:
        _compare_within(band_N, distinct_D, earliest_N, known, threshold)
    return earliest_N[first_D[place_N]]


@dataclass(frozen=True)
class _Known:
    """What is kept of the texts. shingle_S: the distinct shingles of each in ascending order, those of text n from
    begin_N1[n] to begin_N1[n + 1]. digest_N: equal where texts are. band_BN: one number per band."""

    shingle_S: np.ndarray
    begin_N1: np.ndarray
    digest_N: np.ndarray
    band_BN: np.ndarray

    def similarity(self, one_C: np.ndarray, other_C: np.ndarray) -> np.ndarray:
        """Exact Jaccard similarity of candidates, given by the numbers of the two texts; (C,) float64."""
        size_C = self._size(one_C) + self._size(other_C)
        cuts = np.flatnonzero(np.diff(np.cumsum(size_C) // SHINGLES_AT_ONCE)) + 1
        parts = zip(np.split(one_C, cuts), np.split(other_C, cuts), strict=True)
        n_shared_C = np.concatenate([self._n_shared(one, other) for one, other in parts])
        return n_shared_C / (size_C - n_shared_C)

    def _n_shared(self, one_C: np.ndarray, other_C: np.ndarray) -> np.ndarray:
        both = np.sort(np.concatenate([self._numbered_shingles(one_C), self._numbered_shingles(other_C)]))
        twice = both[1:][both[1:] == both[:-1]]
        return np.bincount((twice >> np.uint64(32)).astype(np.int64), minlength=len(one_C))

    def _numbered_shingles(self, text_C: np.ndarray) -> np.ndarray:
        """The shingles of each text, its place in text_C in the upper half of the number."""
        size_C = self._size(text_C)
        place = np.repeat(np.arange(len(text_C), dtype=np.uint64), size_C)
        ends_C = np.cumsum(size_C)
        at = np.arange(len(place)) + np.repeat(self.begin_N1[text_C] - ends_C + size_C, size_C)
        return place << np.uint64(32) | self.shingle_S[at]

    def _size(self, text_C: np.ndarray) -> np.ndarray:
        return self.begin_N1[text_C + 1] - self.begin_N1[text_C]


def _compare_within(
    band_N: np.ndarray, rows_D: np.ndarray, earliest_N: np.ndarray, known: _Known, threshold: float
) -> None:
    """Compare the texts whose number in one band is equal, the earliest first; lowers earliest_N in place."""
    member_D = rows_D[np.argsort(band_N[rows_D], kind="stable")]
    begins_D = np.diff(band_N[member_D], prepend=0) != 0
    begins_D[:1] = True
    begin_D = np.flatnonzero(begins_D)[np.cumsum(begins_D) - 1]
    waiting = np.arange(len(member_D))
    for turn in range(COMPARED):
        waiting = waiting[begin_D[waiting] + turn < waiting]
        text, earlier = member_D[waiting], member_D[begin_D[waiting] + turn]
        # From here on the band offers later texts only: a text that has as early a match is done.
        is_better = earlier < earliest_N[text]
        waiting, text, earlier = waiting[is_better], text[is_better], earlier[is_better]
        if not len(waiting):
            return
        is_near = known.similarity(text, earlier) >= threshold
        earliest_N[text[is_near]] = earlier[is_near]
        waiting = waiting[~is_near]


def _rows_per_band(threshold: float) -> int:
    """The longest bands (fewest useless candidates) that keep the recall at the threshold."""
    lengths = range(SIGNATURE, 0, -1)
    return next(n for n in lengths if 1 - (1 - threshold**n) ** (SIGNATURE // n) >= RECALL)


def _read(texts: Iterable[str], n_rows: int, seed: int) -> _Known:
    """One pass over the texts."""
    # A growing bytearray instead of parts to be joined, which would need the memory twice.
    shingles, sizes, digests, bands = bytearray(), [np.zeros(1, np.int64)], [], []
    for chunk in in_chunks(texts, CHUNK):
        framed = [f"\n{text}\n".encode("utf-16-le", "surrogatepass") for text in chunk]
        digests.append(np.fromiter(map(xxhash.xxh3_64_intdigest, framed), np.uint64, len(framed)))
        shingle_S, size_N = _shingles(framed)
        bands.append(_bands(shingle_S, size_N, n_rows, seed))
        shingles += shingle_S.tobytes()
        sizes.append(size_N)
    return _Known(
        np.frombuffer(shingles, np.uint32),
        np.cumsum(np.concatenate(sizes)),
        np.concatenate([np.zeros(0, np.uint64), *digests]),
        np.concatenate([np.zeros((SIGNATURE // n_rows, 0), np.uint32), *bands], axis=1),
    )


def _shingles(framed: Sequence[bytes]) -> tuple[np.ndarray, np.ndarray]:
    """Of each text the distinct pairs of neighbouring UTF-16 units, ascending, (S,) uint32; and how many there are."""
    n_units_N = np.fromiter(map(len, framed), np.int64, len(framed)) // 2
    unit = np.frombuffer(b"".join(framed), np.uint16).astype(np.uint64)
    text = np.repeat(np.arange(len(framed), dtype=np.uint64), n_units_N)
    in_one_text = text[1:] == text[:-1]
    numbered = (text[1:] << np.uint64(32) | unit[:-1] << np.uint64(16) | unit[1:])[in_one_text]
    distinct = np.unique(numbered)
    text = (distinct >> np.uint64(32)).astype(np.int64)
    return distinct.astype(np.uint32), np.bincount(text, minlength=len(framed))


def _bands(shingle_S: np.ndarray, size_N: np.ndarray, n_rows: int, seed: int) -> np.ndarray:
    """(bands, N) uint32: equal where n_rows values of the signatures are, and once in four billion by chance."""
    from rensa import RMinHash

    begin_N1 = np.concatenate([[0], np.cumsum(size_N)]).astype(np.uint64)
    # Multiplied, since the library takes the numbers for hashes, and neighbours in Unicode are no random numbers.
    matrix = RMinHash.digest_matrix_from_flat_token_hashes(shingle_S * ODD, begin_N1, SIGNATURE, seed)
    signature_NV = np.array(matrix.to_rows(), dtype=np.uint64)[:, : SIGNATURE // n_rows * n_rows]
    band_NB = np.zeros((len(size_N), SIGNATURE // n_rows), dtype=np.uint64)
    for row in range(n_rows):
        band_NB = (band_NB + signature_NV[:, row::n_rows]) * ODD
    return (band_NB >> np.uint64(32)).astype(np.uint32).T
