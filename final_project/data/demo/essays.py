"""The built-in essays: short English school texts made by a seeded generator, with planted faults and scores.

Each essay has a hidden rate of faults for each of three scores, and every place where such a fault could stand has one
with that chance:
grammar       the form of the verb (go or goes, goes or went), and a or an
conventions   the capital and the stop of a sentence, and the spelling of some words
cohesion      the connective that opens every sentence but the first: left out or misused
A score is high - (high - low) * faults / places, with a little noise, rounded to the scale's step: it can be read off
the text alone. Gold are the positions of the words at fault (text.split()); of a connective left out it is the first
word of the sentence. Splits have topics of their own, so their nouns differ.
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from final_project.data.records import TextRow
from final_project.settings.targets import BUILT_IN_SCORES, Targets

N_DEV, N_TEST = 300, 300
NOISE = 0.15 / 4  # standard deviation, as a fraction of the scale
SENTENCES = (6, 10)
MISUSED = 0.5  # of the faulty connectives; the others are left out

_WORDS = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))


@dataclass
class DemoEssays:
    """sets: rows by split. gold: of the test rows, `{id, words, faults: {score: positions}}`."""

    sets: dict[str, list[TextRow]]
    gold: list[dict[str, Any]]


@dataclass
class Draft:
    """An essay as it is written. By score: rates, the chance of a fault at a place; places, how many there were;
    counts, how many were faulty; faults, the positions of the words at fault, one or several a fault."""

    rng: random.Random
    rates: dict[str, float]
    words: list[str] = field(default_factory=list)
    breaks: set[int] = field(default_factory=set)  # positions of words before which a paragraph begins
    places: dict[str, int] = field(default_factory=lambda: dict.fromkeys(BUILT_IN_SCORES, 0))
    faults: dict[str, list[int]] = field(default_factory=lambda: {name: [] for name in BUILT_IN_SCORES})
    counts: dict[str, int] = field(default_factory=lambda: dict.fromkeys(BUILT_IN_SCORES, 0))

    def fails(self, score: str, position: int) -> bool:
        """Whether the place that comes next, at this word, has a fault; noted if so."""
        self.places[score] += 1
        if self.rng.random() >= self.rates[score]:
            return False
        self.counts[score] += 1
        self.faults[score].append(position)
        return True

    def add(self, text: str) -> None:
        self.words += text.split()

    @property
    def text(self) -> str:
        gaps = ["" if at == 0 else "\n\n" if at in self.breaks else " " for at in range(len(self.words))]
        return "".join(gap + word for gap, word in zip(gaps, self.words, strict=True))

    def score(self, name: str, targets: Targets) -> float:
        share = self.counts[name] / max(1, self.places[name])
        value = targets.high - (targets.high - targets.low) * (share + self.rng.gauss(0, NOISE))
        if targets.step:
            value = targets.low + targets.step * round((value - targets.low) / targets.step)
        return round(min(max(value, targets.low), targets.high), 6)


def build_essays(n_train: int, seed: int, targets: Targets) -> DemoEssays:
    """The same arguments give the same essays; dev and test do not depend on n_train."""
    counts = {"train": n_train, "dev": N_DEV, "test": N_TEST}
    drafts = {split: _drafts(split, count, seed) for split, count in counts.items()}
    sets = {
        split: [
            TextRow(f"{split}{number:05d}", draft.text, tuple(draft.score(name, targets) for name in targets.names))
            for number, draft in enumerate(its_drafts, start=1)
        ]
        for split, its_drafts in drafts.items()
    }
    gold = [
        {
            "id": row.id,
            "words": draft.words,
            "faults": {name: sorted(set(draft.faults[name])) for name in targets.names},
        }
        for row, draft in zip(sets["test"], drafts["test"], strict=True)
    ]
    return DemoEssays(sets, gold)


def _drafts(split: str, count: int, seed: int) -> list[Draft]:
    drafts: list[Draft] = []
    seen: set[str] = set()
    rng = random.Random(f"{seed}/essays/{split}")
    while len(drafts) < count:
        draft = _draft(rng, split)
        if draft.text not in seen:
            seen.add(draft.text)
            drafts.append(draft)
    return drafts


def _draft(rng: random.Random, split: str) -> Draft:
    draft = Draft(rng, {name: rng.random() for name in BUILT_IN_SCORES})
    nouns = _WORDS["topics"][rng.choice(_WORDS["splits"][split])]
    n_sentences = rng.randint(*SENTENCES)
    for number in range(n_sentences):
        if number and number % 4 == 0:
            draft.breaks.add(len(draft.words))
        _write_sentence(draft, nouns, is_first=number == 0)
    return draft


def _write_sentence(draft: Draft, nouns: list[str], is_first: bool) -> None:
    rng, begin = draft.rng, len(draft.words)
    if not is_first:
        _write_connective(draft)
    number = rng.choice(("one", "many"))
    draft.add(rng.choice(_WORDS["subjects"][number]))
    draft.add(rng.choice(_WORDS["adverbs"]))
    is_past = rng.random() < 0.5
    base, with_s, past = rng.choice(_WORDS["verbs"])
    right, wrong = (past, base) if is_past else (with_s, base) if number == "one" else (base, with_s)
    draft.add(wrong if draft.fails("grammar", len(draft.words)) else right)
    article = rng.choice(("a", "an"))
    draft.add({"a": "an", "an": "a"}[article] if draft.fails("grammar", len(draft.words)) else article)
    draft.add(f"{rng.choice(_WORDS['adjectives'][article])} {rng.choice(nouns)}")
    draft.add(rng.choice(_WORDS["past_times" if is_past else "present_times"]))
    if rng.random() < 0.5:
        draft.add(rng.choice(_WORDS["endings"]))
    _spell(draft, begin)
    if not draft.fails("conventions", len(draft.words) - 1):
        draft.words[-1] += "."
    first = draft.words[begin]
    draft.words[begin] = first.lower() if draft.fails("conventions", begin) else first[0].upper() + first[1:]


def _write_connective(draft: Draft) -> None:
    if not draft.fails("cohesion", len(draft.words)):
        draft.add(draft.rng.choice(_WORDS["connectives"]))
    elif draft.rng.random() < MISUSED:
        misused = draft.rng.choice(_WORDS["misused"])
        draft.faults["cohesion"] += range(len(draft.words) + 1, len(draft.words) + len(misused.split()))
        draft.add(misused)


def _spell(draft: Draft, begin: int) -> None:
    for at in range(begin, len(draft.words)):
        wrong = _WORDS["misspelt"].get(draft.words[at])
        if wrong and draft.fails("conventions", at):
            draft.words[at] = wrong
