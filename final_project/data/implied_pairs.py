"""Transitive augmentation of labelled pairs, the published solution's rule.

Where s means the same as p1 and as p2, p1 and p2 mean the same; where s means the same as p but not as n, p and n
differ. Chinese corpora of this kind repeat a first sentence often enough for this to yield new pairs.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from final_project.data.records import Pair


def augment_pairs(pairs: Iterable[Pair]) -> Iterator[Pair]:
    """The pairs grouped by first sentence (groups and rows in order of first occurrence, positives before negatives),
    each group followed by what it implies. Every pair needs a label."""
    groups: dict[str, tuple[list[str], list[str]]] = {}
    for pair in pairs:
        positives, negatives = groups.setdefault(pair.sentence1, ([], []))
        (positives if pair.label == 1 else negatives).append(pair.sentence2)
    for sentence, (positives, negatives) in groups.items():
        yield from (Pair(sentence, other, 1) for other in positives)
        yield from (Pair(sentence, other, 0) for other in negatives)
        yield from implied_pairs(positives, negatives)


def implied_pairs(positives: list[str], negatives: list[str]) -> list[Pair]:
    """What one group implies: pairs of two positives (label 1), pairs of a positive and a negative (label 0).

    So that the group's ratio r = positives / negatives holds among the new pairs too, the new positives are cut to
    r times the new negatives and the other way round, both counted before the cut. A group with one label only
    implies nothing. int() truncates towards zero: a fraction of a pair is not enough for a pair; and r is divided
    once as a float, as the published solution does: exact fractions would keep a few rows more.
    """
    if not positives or not negatives:
        return []
    ratio = len(positives) / len(negatives)
    same = list(itertools.combinations(positives, 2))
    different = list(itertools.product(positives, negatives))
    n_same, n_different = int(len(different) * ratio), int(len(same) / ratio)
    return [Pair(*sides, 1) for sides in same[:n_same]] + [Pair(*sides, 0) for sides in different[:n_different]]
