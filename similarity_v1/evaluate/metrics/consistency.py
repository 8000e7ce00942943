"""Consistency: do the chosen words keep their order of importance when the sentences are reworded? (MAP)"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from final_project.data.records import GoldRow, Rationale


def average_precision(perturbed: Sequence[str], source: Sequence[str]) -> float:
    """How well a perturbed sentence's words keep the order of importance they have in the source row's sentence.

    1/|D| * sum_i (1/i) * #{j <= i: D_j in {O_1..O_i}}; plain membership of word strings; 0 for an empty D.
    """
    total = 0.0
    known: set[str] = set()
    waiting: dict[str, int] = {}  # words of D that O has not reached yet
    n_found = 0
    for i, word in enumerate(perturbed):
        if i < len(source) and source[i] not in known:
            known.add(source[i])
            n_found += waiting.pop(source[i], 0)
        if word in known:
            n_found += 1
        else:
            waiting[word] = waiting.get(word, 0) + 1
        total += n_found / (i + 1)
    return total / len(perturbed) if perturbed else 0.0


def pair_map_from_gold(gold: Iterable[GoldRow]) -> list[tuple[int, int]]:
    """(source, perturbed) ids that the gold rows themselves name."""
    return [(row.id, related) for row in gold if row.sample_type == "ori" for related in row.rel_ids]


def chosen_words(row: Rationale, words: tuple[Sequence[str], Sequence[str]]) -> tuple[list[str], list[str]]:
    """The words that a row chose on each side, in its order."""
    return [words[0][position] for position in row.words_q], [words[1][position] for position in row.words_t]
