"""Word pieces for a vocabulary: characters, then the pieces that joining the most frequent neighbours makes.

Byte-pair encoding (Sennrich et al. 2016) on the counts of the words, in WordPiece's spelling: what continues a word
begins with `##`. Ties go by spelling, so that the same text always gives the same ids; the trainer of the tokenizers
library does not promise that.
"""

from __future__ import annotations

import heapq
import itertools
from collections import Counter, defaultdict
from collections.abc import Mapping

CONTINUES = "##"


def word_pieces(counts: Mapping[str, int], most: int) -> list[str]:
    """At most `most` pieces: the characters by frequency, then merges in their order. counts: of each word."""
    words = [[word[0], *(CONTINUES + character for character in word[1:])] for word in counts]
    times = list(counts.values())
    characters: Counter[str] = Counter()
    for pieces, n in zip(words, times, strict=True):
        for piece in pieces:
            characters[piece] += n
    found = sorted(characters, key=lambda piece: (-characters[piece], piece))[:most]
    known = set(found)
    pairs: Counter[tuple[str, str]] = Counter()
    places: dict[tuple[str, str], set[int]] = defaultdict(set)
    for number, pieces in enumerate(words):
        for pair in itertools.pairwise(pieces):
            pairs[pair] += times[number]
            places[pair].add(number)
    heap = [(-count, pair) for pair, count in pairs.items()]
    heapq.heapify(heap)
    while heap and len(found) < most:
        count, pair = heapq.heappop(heap)
        if -count != pairs[pair] or not count:
            continue  # an entry from before a merge that took some of its places
        merged = pair[0] + pair[1].removeprefix(CONTINUES)
        if merged not in known:
            known.add(merged)
            found.append(merged)
        for number in sorted(places.pop(pair)):
            _merge(words[number], pair, merged, number, times[number], pairs, places, heap)
    return found


def _merge(
    pieces: list[str],
    pair: tuple[str, str],
    merged: str,
    number: int,
    n: int,
    pairs: Counter[tuple[str, str]],
    places: dict[tuple[str, str], set[int]],
    heap: list[tuple[int, tuple[str, str]]],
) -> None:
    """Join every occurrence of the pair in one word, in place, and bring the counts of its neighbours up to date."""
    before = Counter(itertools.pairwise(pieces))
    at = 0
    while at < len(pieces) - 1:
        if (pieces[at], pieces[at + 1]) == pair:
            pieces[at : at + 2] = [merged]
        at += 1
    after = Counter(itertools.pairwise(pieces))
    for changed in sorted(before.keys() | after.keys()):
        if before[changed] == after[changed]:
            continue
        pairs[changed] += n * (after[changed] - before[changed])
        if after[changed]:
            places[changed].add(number)
        elif changed in places:
            places[changed].discard(number)
        if pairs[changed]:
            heapq.heappush(heap, (-pairs[changed], changed))
