"""Plausibility: do the chosen words agree with those that people marked?

p is a list of positions, most important first; g a set of gold positions. Where several gold sets are right, p is
measured against the best of them and of their unions (`best_gold_set`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from final_project.data.records import GoldRow, Rationale
from similarity_v1.evaluate.metrics.values import Convention, require_convention

IOU_HIT = 0.5


def token_f1(predicted: Sequence[int], gold: Collection[int]) -> float:
    """F1 of chosen positions. A repeated position counts once as a hit but each time in the precision's length."""
    n_hits = len(set(predicted) & set(gold))
    if n_hits == 0:
        return 0.0
    precision, recall = n_hits / len(predicted), n_hits / len(set(gold))
    return 2 * precision * recall / (precision + recall)


def best_gold_set(predicted: Sequence[int], sets: Sequence[Collection[int]], convention: Convention) -> set[int]:
    """The gold positions a side is measured against where several sets are right.

    Candidates are the best single set and, from each start but the last, that set joined by later ones in order: a
    later set is passed over when it is covered already or shares nothing with p, and joins only if F1 rises. Where the
    best F1 is 0, trustai keeps the only set if there is one, paddlenlp none. Raises RecipeError for another convention.
    """
    require_convention(convention)
    candidates = [set(gold) for gold in sets]
    for start, first in enumerate(sets[:-1]):
        union = set(first)
        score = token_f1(predicted, union)
        for later in sets[start + 1 :]:
            if set(later) <= union or token_f1(predicted, later) == 0:
                continue
            joined = union | set(later)
            if token_f1(predicted, joined) > score:
                union, score = joined, token_f1(predicted, joined)
        candidates.append(union)
    best = max(candidates, key=lambda gold: token_f1(predicted, gold), default=set())
    if token_f1(predicted, best) > 0:
        return best
    return set(sets[0]) if convention == "trustai" and len(sets) == 1 else set()


def iou(predicted: Iterable[int], gold: Collection[int]) -> float:
    """|p & g| / |p or g|; 0 where both are empty."""
    chosen, gold = set(predicted), set(gold)
    return len(chosen & gold) / len(chosen | gold) if chosen | gold else 0.0


def plausibility_of(row: GoldRow, answer: Rationale, convention: Convention) -> tuple[float, float]:
    """(token-F1, share of sides whose IOU is at least 1/2) of one row, the mean of both sides."""
    f1, hits = 0.0, 0
    for chosen, sets in ((answer.words_q, row.sets_q), (answer.words_t, row.sets_t)):
        best = best_gold_set(chosen, sets, convention)
        f1 += token_f1(chosen, best)
        hits += iou(chosen, best) >= IOU_HIT
    return f1 / 2, hits / 2
