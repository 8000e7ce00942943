"""Perturbed rows: each pair again in other words, so that consistency (MAP) can be measured on any corpus.

A perturbed row depends on its source row's content and the seed alone, not on the file or the order of rows.

kind       what it does                                          keeps the label
synonym    replaces a word by a near-synonym (lexicon.SYNONYMS)   yes
typo       replaces a character by one that looks or sounds alike  yes, to a reader
insertion  adds a filler or a particle                            yes
deletion   removes a particle                                     yes
swap       swaps the two halves of a sentence at a comma          yes
swap_near  swaps two neighbouring words                           mostly: subject and object may swap (not a default)
number     replaces a digit by another                            no: it tests whether a system notices

`sources` aligns the words with those of the source row: for each word of the perturbed row the position it came from,
or None if it is new. A replaced word keeps its position; a word that becomes several gives its position to all of them.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from final_project.data.records import SegmentedPair
from final_project.errors import RecipeError
from final_project.option_checks import find_problem, hint
from similarity_v1.rationales.lexicon import FILLERS, LOOKALIKE_GROUP, LOOKALIKES, PARTICLES, SYNONYM_GROUP, SYNONYMS

KEEPS_LABEL = ("synonym", "typo", "insertion", "deletion", "swap")
OTHERS = ("swap_near", "number")
KINDS = (*KEEPS_LABEL, *OTHERS)
COMMAS = frozenset("，,；;")
LONGEST_PHRASE = 4  # most words joined for a lookup in the lexicon, since words may be single characters
WORDS_ALONE = frozenset("谁啥咋")  # single characters that are always words; 能, for one, is also a part of 功能


@dataclass(frozen=True)
class PerturbedWord:
    """source: the word's position in the source row, None if it is new."""

    text: str
    source: int | None


@dataclass(frozen=True)
class PerturbedPair:
    """kinds: the changes made on each side. sources: see the module's docstring."""

    pair: SegmentedPair
    kinds: tuple[tuple[str, ...], tuple[str, ...]]
    sources: tuple[tuple[int | None, ...], tuple[int | None, ...]]


Change = Callable[
    [list[PerturbedWord], random.Random], list[PerturbedWord] | None
]  # None if the kind finds nothing to change


def perturb_pair(
    pair: SegmentedPair, new_id: int, kinds: Sequence[str], n_changes: int, seed: int
) -> PerturbedPair | None:
    """Make a row's perturbed row, with up to n_changes on each side; None if no kind finds anything to change. Raises
    RecipeError if a kind does not exist or n_changes is not a whole number of at least 1."""
    problems = [
        f"kinds: expected some of {', '.join(KINDS)}, found {k!r}{hint(k, KINDS)}" for k in kinds if k not in KINDS
    ]
    if fault := find_problem(int, {"ge": 1}, n_changes):
        problems.append(f"n_changes: {fault}")
    if problems:
        raise RecipeError(problems)
    sides = [
        _changed(words, kinds, n_changes, random.Random(f"{seed} {side} {pair.query} {pair.title}"))
        for side, words in enumerate((pair.words_q, pair.words_t))
    ]
    (words_q, done_q), (words_t, done_t) = sides
    if not done_q and not done_t:
        return None
    texts_q, texts_t = (tuple(word.text for word in words) for words in (words_q, words_t))
    sources_q, sources_t = (tuple(word.source for word in words) for words in (words_q, words_t))
    query, title = _joined(texts_q, pair.query, bool(done_q)), _joined(texts_t, pair.title, bool(done_t))
    perturbed = SegmentedPair(new_id, query, title, texts_q, texts_t)
    return PerturbedPair(perturbed, (tuple(done_q), tuple(done_t)), (sources_q, sources_t))


def _joined(words: Sequence[str], sentence: str, changed: bool) -> str:
    """The sentence of changed words, with spaces between words if the source row's sentence has any."""
    if not changed:
        return sentence
    return ("" if len(sentence.split()) <= 1 else " ").join(words)


def _changed(
    given: Sequence[str], kinds: Sequence[str], n_changes: int, chance: random.Random
) -> tuple[list[PerturbedWord], list[str]]:
    words = [PerturbedWord(text, place) for place, text in enumerate(given)]
    done: list[str] = []
    waiting = list(kinds)
    while waiting and len(done) < n_changes:
        kind = waiting.pop(chance.randrange(len(waiting)))
        changed = CHANGES[kind](words, chance)
        if changed is not None and [word.text for word in changed] != [word.text for word in words]:
            words, done = changed, [*done, kind]
    return words, done


def _synonym(words: list[PerturbedWord], chance: random.Random) -> list[PerturbedWord] | None:
    """Longest entries first, so that 为什么 does not become 为啥 by way of 什么."""
    by_character = all(len(word.text) == 1 or word.text.isascii() for word in words)
    places = [
        (start, end)
        for size in range(LONGEST_PHRASE, 0, -1)
        for start in range(len(words) - size + 1)
        for end in (start + size,)
        for phrase in (_phrase(words, start, end),)
        if phrase in SYNONYM_GROUP and (len(phrase) > 1 or phrase in WORDS_ALONE or not by_character)
    ]
    covered: set[int] = set()
    free = []
    for start, end in places:
        if covered.isdisjoint(range(start, end)):
            free.append((start, end))
            covered |= set(range(start, end))
    if not free:
        return None
    start, end = chance.choice(sorted(free))
    old = _phrase(words, start, end)
    new = chance.choice([word for word in SYNONYMS[SYNONYM_GROUP[old]] if word != old])
    pieces = list(new) if by_character and not old.isascii() else [new]
    replaced = [PerturbedWord(text, words[min(start + k, end - 1)].source) for k, text in enumerate(pieces)]
    return [*words[:start], *replaced, *words[end:]]


def _phrase(words: Sequence[PerturbedWord], start: int, end: int) -> str:
    return "".join(word.text for word in words[start:end])


_LOOKALIKES_OF = {char: LOOKALIKES[group] for char, group in LOOKALIKE_GROUP.items()}
_DIGITS_OF = dict.fromkeys("0123456789", "123456789")  # a number does not begin with 0


def _typo(words: list[PerturbedWord], chance: random.Random) -> list[PerturbedWord] | None:
    return _with_one_exchanged(words, chance, _LOOKALIKES_OF)


def _insertion(words: list[PerturbedWord], chance: random.Random) -> list[PerturbedWord] | None:
    """A filler in front, or a particle at the end before what closes the sentence. Chinese only."""
    if all(word.text.isascii() for word in words):
        return None
    if chance.random() < 0.5:
        return [*(PerturbedWord(text, None) for text in chance.choice(FILLERS)), *words]
    end = len(words) - (1 if words[-1].text in "？?！!。." and len(words) > 1 else 0)
    if words[end - 1].text in PARTICLES:
        return None
    return [*words[:end], PerturbedWord(chance.choice("呢啊呀"), None), *words[end:]]


def _deletion(words: list[PerturbedWord], chance: random.Random) -> list[PerturbedWord] | None:
    places = [k for k, word in enumerate(words) if word.text in PARTICLES]
    if not places or len(words) < 3:
        return None
    gone = chance.choice(places)
    return [*words[:gone], *words[gone + 1 :]]


def _swap(words: list[PerturbedWord], chance: random.Random) -> list[PerturbedWord] | None:
    places = [k for k, word in enumerate(words) if word.text in COMMAS and 0 < k < len(words) - 1]
    if not places:
        return None
    comma = chance.choice(places)
    closing = 1 if words[-1].text in "？?！!。." and comma < len(words) - 2 else 0
    end = len(words) - closing
    return [*words[comma + 1 : end], words[comma], *words[:comma], *words[end:]]


def _swap_near(words: list[PerturbedWord], chance: random.Random) -> list[PerturbedWord] | None:
    if len(words) < 2:
        return None
    k = chance.randrange(len(words) - 1)
    return [*words[:k], words[k + 1], words[k], *words[k + 2 :]]


def _number(words: list[PerturbedWord], chance: random.Random) -> list[PerturbedWord] | None:
    return _with_one_exchanged(words, chance, _DIGITS_OF)


def _with_one_exchanged(
    words: list[PerturbedWord], chance: random.Random, others: Mapping[str, str]
) -> list[PerturbedWord] | None:
    """One of the characters that have others becomes one of these; None if no word has such a character."""
    places = [(k, j) for k, word in enumerate(words) for j, char in enumerate(word.text) if char in others]
    if not places:
        return None
    k, j = chance.choice(places)
    text = words[k].text
    other = chance.choice([char for char in others[text[j]] if char != text[j]])
    return [*words[:k], PerturbedWord(text[:j] + other + text[j + 1 :], words[k].source), *words[k + 1 :]]


CHANGES: dict[str, Change] = {
    "synonym": _synonym,
    "typo": _typo,
    "insertion": _insertion,
    "deletion": _deletion,
    "swap": _swap,
    "swap_near": _swap_near,
    "number": _number,
}
