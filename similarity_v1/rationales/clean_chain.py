"""Our own refinement: nothing is copied between rows and no index is repeated.

Each row is refined from its own words, label and raw choice alone, so the result does not depend on which other rows
there are or how they are ordered. A list is never longer than the raw one. It holds, in this order:

anchors   words with content that the other sentence has too, whatever the model scored: both labels are decided by
          comparing what the sentences share
support   the raw choice, in its order of importance, without words that say little. Label 1: first what nearly matches
          the other sentence (a shared character or stem, the same number, a synonym), then the more important half of
          the rest. Label 0: first numbers and negations that the other sentence lacks, then the rest.

Anchors come in one of two orders. `stable`: the rarest word first, the same in every sentence; so rewordings keep the
list, and consistency (MAP) is high by rule rather than by the model. `importance`: the model's own order. How much of
MAP is the rule's alone is shown by refining random choices (`bench/quality/rationale_methods.py`, row `random`).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Literal

from final_project.data.records import Rationale, SegmentedPair, require_aligned
from final_project.errors import RecipeError
from final_project.option_checks import find_problem
from similarity_v1.rationales.lexicon import NEGATIONS, NUMBERS, SYNONYM_GROUP, is_function_word, plain_form, rarity

Order = Literal["stable", "importance"]
ORDERS: tuple[Order, ...] = ("stable", "importance")
LABEL_1_SHARE = (
    0.5  # of the raw choice; words that only one of two sentences of one meaning has are evidence against the label
)
STEM_SHARE, STEM_LETTERS = 0.6, 3  # English words nearly match where they begin alike for so much of the longer one


def refine_clean(pairs: Sequence[SegmentedPair], raw: Sequence[Rationale], order: Order = "stable") -> list[Rationale]:
    """pairs and raw are aligned: raw[i] explains pairs[i]. Raises DataError where they are not, RecipeError where there
    is no such order."""
    if fault := find_problem(Order, {}, order):
        raise RecipeError([f"order: {fault}"])
    require_aligned(pairs, raw)
    refined = []
    for pair, row in zip(pairs, raw, strict=True):
        forms_q, forms_t = ([plain_form(word) for word in words] for words in (pair.words_q, pair.words_t))
        words_q = _refined(row.label, row.words_q, forms_q, forms_t, order)
        words_t = _refined(row.label, row.words_t, forms_t, forms_q, order)
        refined.append(Rationale(row.id, row.label, words_q, words_t))
    return refined


def _refined(
    label: int, chosen: Sequence[int], forms: Sequence[str], other: Sequence[str], order: Order
) -> tuple[int, ...]:
    chosen = tuple(dict.fromkeys(chosen))
    elsewhere = set(other)
    anchors = [place for place, form in enumerate(forms) if form in elsewhere and not is_function_word(form)]
    anchors.sort(key=_stable_key(forms) if order == "stable" else _importance_key(chosen, len(forms)))
    support = _supporting_1(chosen, forms, elsewhere) if label == 1 else _supporting_0(chosen, forms, elsewhere)
    return tuple(dict.fromkeys([*anchors, *support]))[: len(chosen)] or chosen


def _stable_key(forms: Sequence[str]) -> Callable[[int], tuple]:
    return lambda place: (-rarity(forms[place]), forms[place], place)


def _importance_key(chosen: Sequence[int], n_words: int) -> Callable[[int], tuple]:
    rank = {place: k for k, place in enumerate(chosen)}
    return lambda place: (rank.get(place, n_words), place)


def _supporting_1(chosen: Sequence[int], forms: Sequence[str], elsewhere: set[str]) -> list[int]:
    near = [place for place in chosen if any(nearly_match(forms[place], form) for form in elsewhere)]
    most = chosen[: math.ceil(LABEL_1_SHARE * len(chosen))]
    return [place for place in (*near, *most) if not is_function_word(forms[place])]


def _supporting_0(chosen: Sequence[int], forms: Sequence[str], elsewhere: set[str]) -> list[int]:
    contrasts = [place for place in chosen if forms[place] not in elsewhere and is_contrast(forms[place])]
    return [*contrasts, *(place for place in chosen if not is_function_word(forms[place]))]


def is_contrast(form: str) -> bool:
    """A number or a negation: where one sentence lacks it, the two differ."""
    return form in NEGATIONS or form in NUMBERS or form.isdecimal()


def nearly_match(form: str, other: str) -> bool:
    """Whether two different plain forms mean much the same: one number, synonyms, a shared stem, or, for words of
    several Chinese characters, a shared character that is not one that says little."""
    if not form or not other or form == other:
        return False
    if form in NUMBERS and NUMBERS[form] == NUMBERS.get(other):
        return True
    if form in SYNONYM_GROUP and SYNONYM_GROUP[form] == SYNONYM_GROUP.get(other):
        return True
    if form.isascii() and other.isascii():
        n_alike = next(
            (k for k, (a, b) in enumerate(zip(form, other, strict=False)) if a != b), min(len(form), len(other))
        )
        return n_alike >= max(STEM_LETTERS, STEM_SHARE * max(len(form), len(other)))
    shared = set(form) & set(other)
    return len(form) > 1 and len(other) > 1 and any(not is_function_word(character) for character in shared)
