"""Label rules: what a corpus's own labels mean for pairs of equal or different meaning."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class LabelRule:
    """expected  the labels, as a message names them
    values    raw label -> 1 same meaning, 0 not, None not known
    dropped   raw labels whose rows are left out
    """

    expected: str
    values: dict[str, int | None] = field(hash=False)
    dropped: frozenset[str] = frozenset()

    def knows(self, label: str) -> bool:
        return label in self.values or label in self.dropped


# The collection's own labels, and those of most corpora. An empty label is that of an unlabelled test set.
ZERO_ONE = LabelRule("0 or 1", {"0": 0, "1": 1, "": None})

# "-" and an empty label: the annotators did not agree.
ENTAILMENT = LabelRule(
    "entailment, neutral, contradiction or -",
    {"entailment": 1, "neutral": 0, "contradiction": 0},
    dropped=frozenset({"-", ""}),
)

# 3 and 4, nearly the same meaning, are neither.
SCORES = LabelRule("a score from 0 to 5", {"5": 1, "2": 0, "1": 0, "0": 0}, dropped=frozenset({"3", "4"}))


def choose_rule(rules: tuple[LabelRule, ...], labels: Iterable[str | None]) -> LabelRule:
    """The first of the rules that knows every label; looks no further than until one rule is left.

    Where no rule knows all, the one that went furthest, so that reading by it stops at the label that is wrong.
    """
    left = rules
    for label in labels:
        if len(left) == 1:
            break
        if label is not None:
            left = tuple(rule for rule in left if rule.knows(label)) or left[:1]
    return left[0]
