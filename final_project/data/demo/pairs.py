"""The built-in pairs: Chinese questions made by a seeded generator, with gold rationales and perturbed rows.

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

import random
from dataclasses import dataclass, field, replace

from final_project.data.demo.meanings import (
    ALL_ROLES,
    Frame,
    Meaning,
    conflicting_roles,
    contradict,
    draw_frame,
    draw_meaning,
)
from final_project.data.demo.sentences import (
    PERTURBATIONS,
    Sentence,
    gold_positions,
    join_pieces,
    put_into_words,
    roughen,
)
from final_project.data.records import GoldRow, Pair, SegmentedPair

N_DEV = 1000
N_SOURCE_ROWS = 600
N_PERTURBED = 300

# Shares that make character overlap a poor guide (see tests): pairs that keep the
# wording are near-copies, by label.
SAME_WORDING = {1: 0.15, 0: 0.6}


@dataclass(frozen=True)
class GeneratedPair:
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
        return Pair(join_pieces(self.sentences[0]), join_pieces(self.sentences[1]), self.label)


@dataclass
class DemoSet:
    """The splits, and for explanation the test rows with gold; perturbed rows follow the source rows; ids count from 1.

    `pair_map` holds (id of a source row, id of its perturbed row).
    """

    train: list[Pair]
    dev: list[Pair]
    test: list[Pair]
    segmented: list[SegmentedPair]
    gold: list[GoldRow]
    pair_map: list[tuple[int, int]]
    made: dict[str, list[GeneratedPair]] = field(repr=False, default_factory=dict)

    @property
    def source_pairs(self) -> list[Pair]:
        return self.test[: len(self.test) - len(self.pair_map)]


def build_demo(n_train: int, seed: int) -> DemoSet:
    """The built-in pairs. Same arguments, same bytes; dev and test do not depend on `n_train`."""
    made = {
        "train": _make_pairs("train", n_train, seed),
        "dev": _make_pairs("dev", N_DEV, seed),
        "test": _make_pairs("test", N_SOURCE_ROWS, seed),
    }
    source_rows = made["test"]
    perturbed = _make_perturbed(source_rows, seed)
    rows = source_rows + [perturbed_row for _, perturbed_row in perturbed]
    pair_map = [(origin + 1, len(source_rows) + k + 1) for k, (origin, _) in enumerate(perturbed)]
    perturbed_of = dict(pair_map)
    gold = [
        _gold_row(
            number,
            row,
            "ori" if number <= len(source_rows) else "disturb",
            (perturbed_of[number],) if number in perturbed_of else (),
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


def _make_pairs(split: str, count: int, seed: int) -> list[GeneratedPair]:
    """`count` pairs without repetition, labels alternating in a seeded order."""
    rng = random.Random(f"{seed}/{split}")
    labels = [k % 2 for k in range(count)]
    rng.shuffle(labels)
    made: list[GeneratedPair] = []
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


def _make_pair(rng: random.Random, split: str, label: int) -> GeneratedPair:
    first = draw_meaning(rng, split)
    second = first if label else contradict(rng, first, split)
    frame1 = draw_frame(rng, first, split)
    keep = len(first.intent.wordings) == len(second.intent.wordings) and rng.random() < SAME_WORDING[label]
    frame2 = draw_frame(rng, second, split, wording=frame1.wording if keep else None)
    sentence1 = roughen(rng, put_into_words(rng, first, frame1))
    sentence2 = roughen(rng, put_into_words(rng, second, frame2))
    return GeneratedPair(label, (first, second), (frame1, frame2), (sentence1, sentence2))


def _make_perturbed(source_rows: list[GeneratedPair], seed: int) -> list[tuple[int, GeneratedPair]]:
    """(index of the source row, its perturbed row) for a seeded choice of source rows.

    One or both sentences are perturbed; label and gold words stay."""
    rng = random.Random(f"{seed}/twins")
    seen = {row.pair for row in source_rows}
    perturbed = []
    for index in sorted(rng.sample(range(len(source_rows)), N_PERTURBED)):
        row = source_rows[index]
        while True:
            sides = rng.choice(((0,), (1,), (0, 1)))
            first, second = (
                rng.choice(PERTURBATIONS)(rng, sentence) if side in sides else sentence
                for side, sentence in enumerate(row.sentences)
            )
            perturbed_row = replace(row, sentences=(first, second))
            if perturbed_row.pair not in seen:
                break
        seen.add(perturbed_row.pair)
        perturbed.append((index, perturbed_row))
    return perturbed


def _gold_row(number: int, row: GeneratedPair, sample_type: str, rel_ids: tuple[int, ...]) -> GoldRow:
    sets = [gold_positions(sentence, row.gold_roles) for sentence in row.sentences]
    words = [tuple(join_pieces(sentence)) for sentence in row.sentences]
    return GoldRow(number, row.label, (sets[0],), (sets[1],), words[0], words[1], sample_type, rel_ids)
