"""What the built-in questions ask, which split an entity or a frame belongs to, and how meanings contradict.

The roles of what must agree between two questions: a, b (the entity's words), n (a number), ask (what is asked).
"""

from __future__ import annotations

import functools
import hashlib
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

from final_project.data.demo import grammar
from final_project.data.demo.grammar import DOMAINS, Domain, Intent

FRAME_SPLITS = ("train",) * 7 + ("dev",) * 3 + ("test",) * 3
ENTITY_SPLITS = ("train",) * 3 + ("dev", "test")

Option = TypeVar("Option")

ALL_ROLES = frozenset(("a", "b", "n", "ask"))

# Shares of the negatives.
TWO_EDITS = 0.15
# Unrelated questions among the negatives. Without them a small encoder from scratch sees nothing but hard cases, and
# takes many times longer to find out that the two sentences are to be compared at all.
UNRELATED = 0.25


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


def entity_split(meaning: Meaning) -> str:
    """Entities are dealt along the diagonals of the table a x b, so a route and its way back stay together and every
    word has entities in every split."""
    return ENTITY_SPLITS[(meaning.a + meaning.b) % len(ENTITY_SPLITS)]


def frame_text(domain: Domain, intent: Intent, frame: Frame) -> str:
    return f"{domain.name}/{intent.name}: {frame.opening}{intent.wordings[frame.wording]}{frame.closing}"


@functools.cache
def frame_split(text: str) -> str:
    return FRAME_SPLITS[int.from_bytes(hashlib.sha256(text.encode()).digest()[:4], "big") % len(FRAME_SPLITS)]


def draw_meaning(rng: random.Random, split: str) -> Meaning:
    """Any meaning whose entity belongs to the split."""
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


def draw_frame(rng: random.Random, meaning: Meaning, split: str, wording: int | None = None) -> Frame:
    """A frame of the split. With 144 pairs of opening and closing, every wording has some in every split."""
    while True:
        frame = Frame(
            rng.choice(grammar.OPENINGS),
            rng.randrange(len(meaning.intent.wordings)) if wording is None else wording,
            rng.choice(grammar.CLOSINGS),
        )
        if frame_split(frame_text(meaning.domain, meaning.intent, frame)) == split:
            return frame


def contradict(rng: random.Random, meaning: Meaning, split: str) -> Meaning:
    """Another meaning: an unrelated one, or one with most in common. Each way of changing keeps every intent and every
    word as frequent as it was, so that one side alone tells nothing about the label."""
    while True:
        if rng.random() < UNRELATED:
            changed = draw_meaning(rng, split)
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
    kind = rng.choice(["a", "b", "ask", "ask"] + ["n"] * (2 * meaning.has_number) + ["swap"] * (3 * domain.directed))
    if kind == "swap":
        return replace(meaning, a=meaning.b, b=meaning.a)
    if kind == "n":
        return replace(meaning, number=_other(rng, domain.numbers, meaning.number))
    if kind == "ask":
        return replace(meaning, intent=_other_intent(rng, domain, meaning.intent))
    if kind == "a":
        others = [replace(meaning, a=word) for word in range(len(domain.a)) if word != meaning.a]
    else:
        others = [replace(meaning, b=word) for word in range(len(domain.b)) if word != meaning.b]
    return rng.choice([other for other in others if _entity_fits(other, split)])


def _other_intent(rng: random.Random, domain: Domain, intent: Intent) -> Intent:
    """The contrary intent twice out of three where there is one, else any other."""
    if intent.opposite and rng.random() < 2 / 3:
        return next(other for other in domain.intents if other.name == intent.opposite)
    return _other(rng, domain.intents, intent)


def _other(rng: random.Random, options: Sequence[Option], taken: Option) -> Option:
    return rng.choice([option for option in options if option != taken])
