"""Choices of words that need no model, which any rationale must beat. They keep the labels of the measured system.

all_words      every word in order
first_share    the first share of the words
random         as many words as the system chose, in random order; the mean over a few draws
overlap        the words that the other sentence has too, in order (every word where there is none)
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Mapping, Sequence

from final_project.data.records import Rationale
from similarity_v1.rationales.selection import n_chosen
from similarity_v1.rationales.word_scores import WordScores

N_DRAWS = 5  # enough to hold the second decimal still on some hundred rows
SEED = 2022

Words = Mapping[int, tuple[Sequence[str], Sequence[str]]]


def all_baselines(rows: Sequence[Rationale], words: Words, ratio: float) -> dict[str, list[Rationale]]:
    """All baselines by name, `random` with its first draw."""
    return {
        "all_words": all_words(rows, words),
        "first_share": first_share(rows, words, ratio),
        "random": random_words(rows, words, 0),
        "overlap": overlap(rows, words),
    }


def all_words(rows: Iterable[Rationale], words: Words) -> list[Rationale]:
    return first_share(rows, words, 1.0)


def first_share(rows: Iterable[Rationale], words: Words, ratio: float) -> list[Rationale]:
    return [
        Rationale(row.id, row.label, *(tuple(range(n_chosen(len(side), ratio))) for side in words[row.id]))
        for row in rows
    ]


def random_words(rows: Iterable[Rationale], words: Words, draw: int) -> list[Rationale]:
    """The draw depends on seed, draw and id alone, so neither the order nor the number of rows changes it."""
    drawn = []
    for row in rows:
        chance = random.Random(f"{SEED} {draw} {row.id}")
        sides = zip((row.words_q, row.words_t), words[row.id], strict=True)
        drawn.append(
            Rationale(
                row.id,
                row.label,
                *(tuple(chance.sample(range(len(side)), len(set(chosen)))) for chosen, side in sides),
            )
        )
    return drawn


def random_scores(scored: Iterable[WordScores]) -> list[WordScores]:
    """Scores drawn for each word, a function of the row's id alone."""
    drawn = []
    for row in scored:
        chance = random.Random(f"{SEED} {row.id}")
        scores_q, scores_t = (tuple(chance.random() for _ in side) for side in (row.scores_q, row.scores_t))
        drawn.append(WordScores(row.id, row.label, row.probability, scores_q, scores_t))
    return drawn


def overlap(rows: Iterable[Rationale], words: Words) -> list[Rationale]:
    chosen = []
    for row in rows:
        first, second = words[row.id]
        chosen.append(Rationale(row.id, row.label, _shared(first, second), _shared(second, first)))
    return chosen


def _shared(side: Sequence[str], other: Sequence[str]) -> tuple[int, ...]:
    elsewhere = set(other)
    return tuple(i for i, word in enumerate(side) if word in elsewhere) or tuple(range(len(side)))
