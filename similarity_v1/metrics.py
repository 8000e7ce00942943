"""The field's metrics of rationales, in the conventions of the two public evaluators.

paddlenlp  the default: whatever is missing from the predictions scores 0, since all gold rows are counted
trustai    only gold rows that were predicted are counted

Where the best token-F1 of a side with several gold sets is 0, trustai keeps the only set where there is one (which
matters for nothing but the set shown), paddlenlp none. p is a list of positions, most important first, g a set.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Literal

from final_project.data.pairs import GoldRow, Rationale

Convention = Literal["paddlenlp", "trustai"]
CONVENTIONS: tuple[Convention, ...] = ("paddlenlp", "trustai")
IOU_HIT = 0.5


def label_scores(gold: Mapping[int, int], predicted: Mapping[int, int], convention: Convention) -> dict[str, float]:
    """Accuracy and macro-F1 (unweighted mean over the classes that occur) of labels by id."""
    counted = [id_ for id_ in gold if convention == "paddlenlp" or id_ in predicted]
    truth = [gold[id_] for id_ in counted]
    answer = [predicted.get(id_) for id_ in counted]
    classes = sorted({label for label in [*truth, *answer] if label is not None})
    f1s = []
    for label in classes:
        n_both = sum(t == a == label for t, a in zip(truth, answer, strict=True))
        f1s.append(2 * n_both / (truth.count(label) + answer.count(label)))
    return {
        "accuracy": _mean(t == a for t, a in zip(truth, answer, strict=True)),
        "macro_f1": _mean(f1s),
    }


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
    later set is passed over when it is covered already or shares nothing with p, and joins only if F1 rises.
    """
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


def plausibility(
    gold: Iterable[GoldRow], predicted: Mapping[int, Rationale], convention: Convention
) -> dict[str, float]:
    """token_f1 and iou_f1 (share of sides whose IOU is at least 1/2), each the mean over rows and both sides."""
    f1s: list[float] = []
    hits: list[float] = []
    for row in gold:
        answer = predicted.get(row.id)
        if answer is None:
            if convention == "paddlenlp":
                f1s += [0.0, 0.0]
                hits += [0.0, 0.0]
            continue
        for chosen, sets in ((answer.words_q, row.sets_q), (answer.words_t, row.sets_t)):
            best = best_gold_set(chosen, sets, convention)
            f1s.append(token_f1(chosen, best))
            hits.append(float(iou(chosen, best) >= IOU_HIT))
    return {"token_f1": _mean(f1s), "iou_f1": _mean(hits)}


def average_precision(perturbed: Sequence[str], original: Sequence[str]) -> float:
    """How well a perturbed sentence's words keep the order of importance they had in the original.

    1/|D| * sum_i (1/i) * #{j <= i: D_j in {O_1..O_i}}; plain membership of word strings; 0 for an empty D.
    """
    total = 0.0
    known: set[str] = set()
    waiting: dict[str, int] = {}  # words of D seen so far that O has not named yet
    n_found = 0
    for i, word in enumerate(perturbed):
        if i < len(original) and original[i] not in known:
            known.add(original[i])
            n_found += waiting.pop(original[i], 0)
        if word in known:
            n_found += 1
        else:
            waiting[word] = waiting.get(word, 0) + 1
        total += n_found / (i + 1)
    return total / len(perturbed) if perturbed else 0.0


def consistency(
    pair_map: Sequence[tuple[int, int]],
    predicted: Mapping[int, Rationale],
    words: Mapping[int, tuple[Sequence[str], Sequence[str]]],
) -> dict[str, float]:
    """MAP under perturbation and the share of (original, perturbed) pairs whose labels agree.

    words: id -> the given words of both sentences. Pairs with a missing row count as 0; both conventions do so.
    """
    n_perturbed = len({perturbed for _, perturbed in pair_map})
    total = 0.0
    n_agreeing = 0
    for original_id, perturbed_id in pair_map:
        original, perturbed = predicted.get(original_id), predicted.get(perturbed_id)
        if original is None or perturbed is None:
            continue
        n_agreeing += original.label == perturbed.label
        for side in (0, 1):
            total += average_precision(
                _strings(perturbed, words[perturbed_id], side), _strings(original, words[original_id], side)
            )
    if not n_perturbed:
        return {"map": 0.0, "label_agreement": 0.0}
    return {"map": total / 2 / n_perturbed, "label_agreement": n_agreeing / n_perturbed}


def pair_map_of(gold: Iterable[GoldRow]) -> list[tuple[int, int]]:
    """(original, perturbed) ids that the gold rows themselves name."""
    return [(row.id, related) for row in gold if row.sample_type == "ori" for related in row.rel_ids]


def shares(
    predicted: Iterable[Rationale], words: Mapping[int, tuple[Sequence[str], Sequence[str]]]
) -> dict[str, float]:
    """Mean share of distinct words chosen in a sentence, and how many rows repeat an index."""
    rows = list(predicted)
    sides = [
        (chosen, side) for row in rows for chosen, side in zip((row.words_q, row.words_t), words[row.id], strict=True)
    ]
    return {
        "share_chosen": _mean(len(set(chosen)) / len(side) for chosen, side in sides),
        "rows_with_repeated_index": sum(
            any(a == b for side in (row.words_q, row.words_t) for a, b in pairwise(sorted(side))) for row in rows
        ),
    }


def _strings(row: Rationale, words: tuple[Sequence[str], Sequence[str]], side: int) -> list[str]:
    return [words[side][position] for position in (row.words_q, row.words_t)[side]]


def _mean(values: Iterable[float]) -> float:
    values = list(values)
    return sum(values) / len(values) if values else 0.0
