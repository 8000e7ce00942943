"""The built-in questions in words: a meaning said in a frame, and the small changes that leave it the same question."""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from final_project.data.demo import grammar
from final_project.data.demo.meanings import Frame, Meaning

# Shares of the sentences that are written carelessly, and of the small numbers that are written out.
NOISE = 0.25
NUMERAL = 0.25

_MARKUP = re.compile(r"\{[abnx]\}|\[[^\]]*\]|[^{\[]+")


@dataclass(frozen=True)
class Piece:
    """A run of characters and what it is for: a, b (the entity's words), n (number), ask, or nothing."""

    text: str
    role: str = ""


Sentence = tuple[Piece, ...]


def join_pieces(sentence: Sentence) -> str:
    return "".join(piece.text for piece in sentence)


def gold_positions(sentence: Sentence, roles: frozenset[str]) -> tuple[int, ...]:
    """Positions, from 0, of the characters whose role is among `roles`."""
    places = [piece.role for piece in sentence for _ in piece.text]
    return tuple(place for place, role in enumerate(places) if role in roles)


def put_into_words(rng: random.Random, meaning: Meaning, frame: Frame) -> Sentence:
    """The meaning in words; a small number is sometimes written out."""
    number = meaning.number
    if rng.random() < NUMERAL:
        number = grammar.NUMERALS.get(number, number)
    a, b = (Piece(word, role) for word, role in zip(meaning.entity[1:], "ab", strict=True))
    slots = {"{a}": (a,), "{b}": (b,), "{x}": (a, b), "{n}": (Piece(number, "n"),)}
    pieces = [Piece(frame.opening)]
    for token in _MARKUP.findall(meaning.intent.wordings[frame.wording]):
        if token.startswith("["):
            pieces.append(Piece(token[1:-1], "ask"))
        else:
            pieces += slots.get(token, (Piece(token),))
    return *(piece for piece in pieces if piece.text), Piece(frame.closing)


def roughen(rng: random.Random, sentence: Sentence) -> Sentence:
    """People write carelessly: some sentences get one of the changes that the twins are made with."""
    return rng.choice(PERTURBATIONS)(rng, sentence) if rng.random() < NOISE else sentence


def add_filler(rng: random.Random, sentence: Sentence) -> Sentence:
    """Put a word that says nothing behind the opening, or between the entity and what is asked."""
    start = 1 if sentence[0].text in grammar.OPENINGS else 0
    places = [start] + [
        place
        for place in range(start + 1, len(sentence))
        if sentence[place].role == "ask" and sentence[place - 1].role in ("a", "b")
    ]
    place = rng.choice(places)
    return *sentence[:place], Piece(rng.choice(grammar.FILLERS)), *sentence[place:]


def move_clause(rng: random.Random, sentence: Sentence) -> Sentence:
    """Move the opening behind the question; where there is none, ask at the end."""
    first, *rest = sentence
    closing = sentence[-1] if sentence[-1].text.startswith(("，", "？", "！")) else Piece("")
    if first.text in grammar.OPENINGS:
        return *rest[:-1], Piece("，" + first.text.rstrip("，")), closing
    return *sentence[:-1], Piece("，" + rng.choice(("问一下", "请问", "想知道"))), closing


def add_typo(rng: random.Random, sentence: Sentence) -> Sentence:
    """Write one character outside the entity as another of the same sound, or double the ending."""
    return _swap_one(rng, sentence, grammar.TYPOS) or (*sentence, Piece("？？"))


def use_synonym(rng: random.Random, sentence: Sentence) -> Sentence:
    """Say one word outside the entity differently."""
    return _swap_one(rng, sentence, grammar.SYNONYMS) or add_filler(rng, sentence)


def _swap_one(rng: random.Random, sentence: Sentence, swaps: dict[str, str]) -> Sentence | None:
    """Write one occurrence of a key outside the entity as its value; None where no key occurs."""
    places = [
        (place, old)
        for place, piece in enumerate(sentence)
        for old in swaps
        if piece.role in ("", "ask") and old in piece.text
    ]
    if not places:
        return None
    place, old = rng.choice(places)
    return _with_text(sentence, place, sentence[place].text.replace(old, swaps[old], 1))


def _with_text(sentence: Sentence, place: int, text: str) -> Sentence:
    return *sentence[:place], replace(sentence[place], text=text), *sentence[place + 1 :]


PERTURBATIONS: tuple[Callable[[random.Random, Sentence], Sentence], ...] = (
    add_filler,
    move_clause,
    add_typo,
    use_synonym,
)
