"""Label rules: which of a corpus's own labels mean the same, which do not, and which rows are left out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class LabelRule:
    """expected  the labels, as a message names them
    values    raw label -> 1 same meaning, 0 not, None not known
    dropped   raw labels whose rows are left out
    """

    expected: str
    values: dict[str, int | None]
    dropped: frozenset[str] = frozenset()

    def knows(self, raw_label: str) -> bool:
        return raw_label in self.values or raw_label in self.dropped


# The collection's own labels, and those of most corpora. A column of empty labels is that of an unlabelled set.
ZERO_ONE = LabelRule("0 or 1", {"0": 0, "1": 1, "": None})

# "-", "null" and an empty label: the annotators did not agree.
ENTAILMENT = LabelRule(
    "entailment, neutral, contradiction or -",
    {"entailment": 1, "neutral": 0, "contradiction": 0},
    dropped=frozenset({"-", "null", ""}),
)

# 3 and 4, nearly the same meaning, are neither.
SCORES = LabelRule("a score from 0 to 5", {"5": 1, "2": 0, "1": 0, "0": 0}, dropped=frozenset({"3", "4"}))


def choose_rule(rules: tuple[LabelRule, ...], raw_labels: Iterable[str | None]) -> LabelRule:
    """The first of the rules that knows every label. Looks no further than until one rule is left, so it sees all
    labels only where two rules know them all: 0 and 1 are scores as well.

    Where no rule knows all, the one that went furthest: reading by it stops at the label that is wrong.
    """
    left = rules
    for raw_label in raw_labels:
        if len(left) == 1:
            break
        if raw_label is not None:
            left = tuple(rule for rule in left if rule.knows(raw_label)) or left[:1]
    return left[0]
