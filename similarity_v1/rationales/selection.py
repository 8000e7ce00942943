"""Which words of a sentence go into the rationale: the highest scores, most important first.

The selection rule sets how many:

ratio      ceil(ratio * W) of the W words, the published rule
top_k      k words, all where there are fewer
threshold  the words that score at least a share of the sentence's highest score
mass       the fewest words that hold a share of the sentence's score (negative scores count as none)

Every rule takes at least one word wherever there is one. `evaluate/learn_length.py` finds a rule's number on dev.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Literal

from final_project.errors import RecipeError
from final_project.option_checks import find_problem
from final_project.settings import SimilarityV1

Rule = Literal["ratio", "top_k", "threshold", "mass"]
ROUNDING = 1e-12  # a sum that misses its share by rounding alone has reached it


@dataclass(frozen=True)
class Selection:
    """A rule and its number: a share of the words, a count of words, a share of the highest score, or of all score.

    Raises RecipeError for another rule, or a number outside the rule's bounds.
    """

    rule: Rule
    number: float

    def __post_init__(self) -> None:
        if fault := find_problem(Rule, {}, self.rule):
            raise RecipeError([f"selection rule: {fault}"])
        kind, bounds = (int, {"ge": 1}) if self.rule == "top_k" else (float, {"gt": 0, "le": 1})
        if fault := find_problem(kind, bounds, self.number):
            raise RecipeError([f"selection rule {self.rule}: {fault}"])

    def n_words(self, ranked: Sequence[float]) -> int:
        """How many of the scores, given in descending order, are chosen."""
        if self.rule == "ratio":
            return n_chosen(len(ranked), self.number)
        if self.rule == "top_k":
            return min(int(self.number), len(ranked))
        if not ranked or ranked[0] <= 0:
            return min(1, len(ranked))
        if self.rule == "threshold":
            return sum(score >= self.number * ranked[0] for score in ranked)
        held = accumulate(max(score, 0.0) for score in ranked)
        enough = self.number * sum(max(score, 0.0) for score in ranked) * (1 - ROUNDING)
        return next(k for k, score in enumerate(held, start=1) if score >= enough)


def selection_from_settings(settings: SimilarityV1) -> Selection:
    """The rule that a recipe asks for."""
    numbers = {
        "ratio": settings.ratio,
        "top_k": settings.top_k,
        "threshold": settings.score_share,
        "mass": settings.mass_share,
    }
    return Selection(settings.select, numbers[settings.select])


def n_chosen(n_words: int, ratio: float) -> int:
    """k = ceil(ratio * W), the published rule; at least one word if W > 0. Raises RecipeError if the ratio is not
    above 0 and at most 1."""
    if fault := find_problem(float, {"gt": 0, "le": 1}, ratio):
        raise RecipeError([f"ratio: {fault}"])
    return math.ceil(ratio * n_words)


def select(scores_W: Sequence[float], how: Selection | float, unread: Collection[int] = ()) -> tuple[int, ...]:
    """Positions from 0 of the chosen words, highest score first; ties go to the lower position. A number for `how` is
    the ratio. unread: positions of words that the model did not read. A sentence has no others to choose from than
    those it read, unless it read none."""
    selection = how if isinstance(how, Selection) else Selection("ratio", how)
    order = ranked(scores_W, unread)
    return order[: selection.n_words([scores_W[position] for position in order])]


def ranked(scores_W: Sequence[float], unread: Collection[int] = ()) -> tuple[int, ...]:
    """Positions of the words that were read, highest score first; of all words where none was read."""
    left_out = set(unread)
    read = [position for position in range(len(scores_W)) if position not in left_out] or range(len(scores_W))
    return tuple(sorted(read, key=lambda position: -scores_W[position]))
