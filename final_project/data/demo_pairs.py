"""The built-in pairs: Chinese questions made by a seeded generator, with gold rationales and perturbed twins.

A question is a meaning (domain, intent, entity of two words, perhaps a number) said in a frame (opening, wording,
closing). Positives say one meaning in two frames. Negatives change one thing, sometimes two, and keep the rest
(another word of the entity, another number, the direction of a route, the contrary, another thing asked), or are
unrelated, as in corpora of this kind.

Splits share neither a frame nor an entity: frames are dealt by a hash of their text, entities by the places of their
two words. Every word occurs in all splits, in other combinations, so what has to be learnt is comparing, not a list.

Words are single characters, as in the contest's set B. Gold is what an annotator who explains the label would mark:
label 1   on each side the entity, the number and the words that carry what is asked (whatever must agree);
label 0   on each side only the words in conflict: the differing word of the entity, the number, both ends of a
          reversed route, the words that carry what is asked (with a number that only one side has); all of these
          where the questions have nothing in common.
Openings, closings, particles and fillers are never gold.
"""

from __future__ import annotations

import functools
import hashlib
import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from final_project.data import demo_grammar as grammar
from final_project.data.demo_grammar import DOMAINS, Domain, Intent
from final_project.data.pairs import GoldRow, Pair, SegmentedPair

N_DEV = 1000
N_ORIGINALS = 600
N_TWINS = 300

# Shares that make character overlap a poor guide (see tests): as many near-copies among negatives as among positives.
SAME_WORDING = {1: 0.25, 0: 0.5}
TWO_EDITS = 0.15
# Unrelated questions among the negatives. Without them a small encoder from scratch sees nothing but hard cases, and
# takes many times longer to find out that the two sentences are to be compared at all.
UNRELATED = 0.3
NOISE = 0.25
NUMERAL = 0.25

FRAME_SPLITS = ("train",) * 7 + ("dev",) * 3 + ("test",) * 3
ENTITY_SPLITS = ("train",) * 3 + ("dev", "test")

ALL_ROLES = frozenset(("a", "b", "n", "ask"))

_MARKUP = re.compile(r"\{[abnx]\}|\[[^\]]*\]|[^{\[]+")


@dataclass(frozen=True)
class Piece:
    """A run of characters and what it is for: a, b (the entity's words), n (number), ask, or nothing."""

    text: str
    role: str = ""


Sentence = tuple[Piece, ...]


@dataclass(frozen=True)
class Frame:
    opening: str
    wording: int
    closing: str


@dataclass(frozen=True)
class Meaning:
    """What is asked; a and b are places in the domain's word lists."""

    domain: Domain
    intent: Intent
    a: int
    b: int
    number: str

    @property
    def entity(self) -> tuple[str, str, str]:
        return self.domain.name, self.domain.a[self.a], self.domain.b[self.b]

    @property
    def has_number(self) -> bool:
        return "{n}" in self.intent.wordings[0]


@dataclass(frozen=True)
class Made:
    """One generated pair with all that it was made from."""

    label: int
    meanings: tuple[Meaning, Meaning]
    frames: tuple[Frame, Frame]
    sentences: tuple[Sentence, Sentence]

    @property
    def gold_roles(self) -> frozenset[str]:
        return ALL_ROLES if self.label else conflicting_roles(*self.meanings)

    @property
    def pair(self) -> Pair:
        return Pair(text_of(self.sentences[0]), text_of(self.sentences[1]), self.label)


@dataclass
class DemoSet:
    """The splits, and for explanation the test rows with gold; twins follow the originals and ids count from 1.

    `pair_map` holds (id of an original, id of its perturbed twin).
    """

    train: list[Pair]
    dev: list[Pair]
    test: list[Pair]
    segmented: list[SegmentedPair]
    gold: list[GoldRow]
    pair_map: list[tuple[int, int]]
    made: dict[str, list[Made]] = field(repr=False, default_factory=dict)

    @property
    def originals(self) -> list[Pair]:
        return self.test[: len(self.test) - len(self.pair_map)]


def build_demo(n_train: int, seed: int) -> DemoSet:
    """The built-in pairs. Same arguments, same bytes; dev and test do not depend on `n_train`."""
    made = {
        "train": _make_pairs("train", n_train, seed),
        "dev": _make_pairs("dev", N_DEV, seed),
        "test": _make_pairs("test", N_ORIGINALS, seed),
    }
    originals = made["test"]
    twins = _make_twins(originals, seed)
    rows = originals + [twin for _, twin in twins]
    pair_map = [(origin + 1, len(originals) + k + 1) for k, (origin, _) in enumerate(twins)]
    twin_of = dict(pair_map)
    gold = [
        _gold_row(
            number,
            row,
            "ori" if number <= len(originals) else "disturb",
            (twin_of[number],) if number in twin_of else (),
        )
        for number, row in enumerate(rows, start=1)
    ]
    return DemoSet(
        train=[row.pair for row in made["train"]],
        dev=[row.pair for row in made["dev"]],
        test=[row.pair for row in rows],
        segmented=[
            SegmentedPair(row.id, "".join(row.words_q), "".join(row.words_t), row.words_q, row.words_t) for row in gold
        ],
        gold=gold,
        pair_map=pair_map,
        made=made,
    )


def entity_split(meaning: Meaning) -> str:
    """Entities are dealt along the diagonals of the table a x b, so a route and its way back stay together and every
    word has entities in every split."""
    return ENTITY_SPLITS[(meaning.a + meaning.b) % len(ENTITY_SPLITS)]


def frame_text(domain: Domain, intent: Intent, frame: Frame) -> str:
    return f"{domain.name}/{intent.name}: {frame.opening}{intent.wordings[frame.wording]}{frame.closing}"


@functools.cache
def frame_split(text: str) -> str:
    return FRAME_SPLITS[int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % len(FRAME_SPLITS)]


def text_of(sentence: Sentence) -> str:
    return "".join(piece.text for piece in sentence)


def gold_positions(sentence: Sentence, roles: frozenset[str]) -> tuple[int, ...]:
    """Positions, from 0, of the characters whose role is among `roles`."""
    places = [piece.role for piece in sentence for _ in piece.text]
    return tuple(place for place, role in enumerate(places) if role in roles)


def _make_pairs(split: str, count: int, seed: int) -> list[Made]:
    """`count` pairs without repetition, labels alternating in a seeded order."""
    rng = random.Random(f"{seed}/{split}")
    labels = [k % 2 for k in range(count)]
    rng.shuffle(labels)
    made: list[Made] = []
    seen: set[tuple[str, str]] = set()
    for label in labels:
        while True:
            row = _make_pair(rng, split, label)
            texts = row.pair.sentence1, row.pair.sentence2
            if texts[0] != texts[1] and texts not in seen:
                break
        seen |= {texts, texts[::-1]}
        made.append(row)
    return made


def _make_pair(rng: random.Random, split: str, label: int) -> Made:
    first = _draw_meaning(rng, split)
    second = first if label else _contradict(rng, first, split)
    frame1 = _draw_frame(rng, first, split)
    keep = len(first.intent.wordings) == len(second.intent.wordings) and rng.random() < SAME_WORDING[label]
    frame2 = _draw_frame(rng, second, split, wording=frame1.wording if keep else None)
    sentences = tuple(
        _roughen(rng, _say(rng, meaning, frame)) for meaning, frame in ((first, frame1), (second, frame2))
    )
    return Made(label, (first, second), (frame1, frame2), sentences)


def _draw_meaning(rng: random.Random, split: str) -> Meaning:
    domain = rng.choice(DOMAINS)
    while True:
        meaning = Meaning(
            domain,
            rng.choice(domain.intents),
            rng.randrange(len(domain.a)),
            rng.randrange(len(domain.b)),
            rng.choice(domain.numbers),
        )
        if _entity_fits(meaning, split):
            return meaning


def _entity_fits(meaning: Meaning, split: str) -> bool:
    return entity_split(meaning) == split and not (meaning.domain.directed and meaning.a == meaning.b)


def _draw_frame(rng: random.Random, meaning: Meaning, split: str, wording: int | None = None) -> Frame:
    """A frame of the split. With 144 pairs of opening and closing, every wording has some in every split."""
    while True:
        frame = Frame(
            rng.choice(grammar.OPENINGS),
            rng.randrange(len(meaning.intent.wordings)) if wording is None else wording,
            rng.choice(grammar.CLOSINGS),
        )
        if frame_split(frame_text(meaning.domain, meaning.intent, frame)) == split:
            return frame


def _contradict(rng: random.Random, meaning: Meaning, split: str) -> Meaning:
    """Another meaning: an unrelated one, or one with most in common. Each way of changing keeps every intent and every
    word as frequent as it was, so that one side alone tells nothing about the label."""
    while True:
        if rng.random() < UNRELATED:
            changed = _draw_meaning(rng, split)
        else:
            changed = _change(rng, meaning, split)
            if rng.random() < TWO_EDITS:
                changed = _change(rng, changed, split)
        if conflicting_roles(meaning, changed):
            return changed


def conflicting_roles(first: Meaning, second: Meaning) -> frozenset[str]:
    """The roles in which two meanings differ; empty where they are the same."""
    if first.domain is not second.domain:
        return ALL_ROLES
    roles = {role for role in ("a", "b") if getattr(first, role) != getattr(second, role)}
    if first.intent is not second.intent:
        roles.add("ask")
    if first.has_number != second.has_number or (first.has_number and first.number != second.number):
        roles.add("n")
    return frozenset(roles)


def _change(rng: random.Random, meaning: Meaning, split: str) -> Meaning:
    """Change one thing: a word of the entity, what is asked, the number or the direction."""
    domain = meaning.domain
    kind = rng.choice(["a", "b", "ask"] + ["n"] * (2 * meaning.has_number) + ["swap"] * (2 * domain.directed))
    if kind == "swap":
        return replace(meaning, a=meaning.b, b=meaning.a)
    if kind == "n":
        return replace(meaning, number=_other(rng, domain.numbers, meaning.number))
    if kind == "ask":
        return replace(meaning, intent=_other_intent(rng, domain, meaning.intent))
    words = range(len(getattr(domain, kind)))
    options = [w for w in words if w != getattr(meaning, kind) and _entity_fits(replace(meaning, **{kind: w}), split)]
    return replace(meaning, **{kind: rng.choice(options)})


def _other_intent(rng: random.Random, domain: Domain, intent: Intent) -> Intent:
    """The contrary intent twice out of three where there is one, else any other."""
    if intent.opposite and rng.random() < 2 / 3:
        return next(other for other in domain.intents if other.name == intent.opposite)
    return _other(rng, domain.intents, intent)


def _other(rng: random.Random, options: Sequence, taken):
    return rng.choice([option for option in options if option != taken])


def _say(rng: random.Random, meaning: Meaning, frame: Frame) -> Sentence:
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


def _roughen(rng: random.Random, sentence: Sentence) -> Sentence:
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
    places = [
        (place, char)
        for place, piece in enumerate(sentence)
        for char in grammar.TYPOS
        if piece.role in ("", "ask") and char in piece.text
    ]
    if not places:
        return *sentence, Piece("？？")
    place, char = rng.choice(places)
    return _with_text(sentence, place, sentence[place].text.replace(char, grammar.TYPOS[char], 1))


def use_synonym(rng: random.Random, sentence: Sentence) -> Sentence:
    """Say one word outside the entity differently."""
    places = [
        (place, word)
        for place, piece in enumerate(sentence)
        for word in grammar.SYNONYMS
        if piece.role in ("", "ask") and word in piece.text
    ]
    if not places:
        return add_filler(rng, sentence)
    place, word = rng.choice(places)
    return _with_text(sentence, place, sentence[place].text.replace(word, grammar.SYNONYMS[word], 1))


def _with_text(sentence: Sentence, place: int, text: str) -> Sentence:
    return *sentence[:place], replace(sentence[place], text=text), *sentence[place + 1 :]


PERTURBATIONS: tuple[Callable[[random.Random, Sentence], Sentence], ...] = (
    add_filler,
    move_clause,
    add_typo,
    use_synonym,
)


def _make_twins(originals: list[Made], seed: int) -> list[tuple[int, Made]]:
    """(index of the original, its twin) for a seeded choice of originals: one or both sides perturbed, same label,
    same gold words."""
    rng = random.Random(f"{seed}/twins")
    seen = {row.pair for row in originals}
    twins = []
    for index in sorted(rng.sample(range(len(originals)), N_TWINS)):
        row = originals[index]
        while True:
            sides = rng.choice(((0,), (1,), (0, 1)))
            sentences = tuple(
                rng.choice(PERTURBATIONS)(rng, sentence) if side in sides else sentence
                for side, sentence in enumerate(row.sentences)
            )
            twin = replace(row, sentences=sentences)
            if twin.pair not in seen:
                break
        seen.add(twin.pair)
        twins.append((index, twin))
    return twins


def _gold_row(number: int, row: Made, sample_type: str, rel_ids: tuple[int, ...]) -> GoldRow:
    sets = [gold_positions(sentence, row.gold_roles) for sentence in row.sentences]
    words = [tuple(text_of(sentence)) for sentence in row.sentences]
    return GoldRow(number, row.label, (sets[0],), (sets[1],), words[0], words[1], sample_type, rel_ids)
