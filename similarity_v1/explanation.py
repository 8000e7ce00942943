"""What an explanation is: the model's answer for one row, a score for each word, and all that it takes to show them."""

from __future__ import annotations

import importlib
from dataclasses import dataclass

from similarity_v1.alignment import blanks_after
from similarity_v1.selection import ranked


@dataclass(frozen=True)
class Explanation:
    """texts: one or two. words, scores: per text, one finite score a word; words that were not read score 0.

    label: the decided class, with its name and probability; None where the model gives scores. `score` is then the one
    that is explained (raw, before any activation), or the difference that is, `label_name` its name, and `outputs` are
    the scores of all outputs, in their order. probabilities: of all classes, empty for a score.
    threshold: label 1 where P(1) is at least this; None where the most probable class is the label.
    target: `predicted`, `both` or the class that was asked about, as the Explainer had it.
    completeness_error: |sum over all tokens - (F(text) - F(baseline))| where the method promises such a sum, else None.
    steps: how many gradients were taken for this row, where the method decides that, else None.
    truncated: whether the model could not read all of the texts.
    unread: per text the positions of the words that the model did not read, since they were cut off.
    """

    texts: tuple[str, ...]
    words: tuple[tuple[str, ...], ...]
    scores: tuple[tuple[float, ...], ...]
    label: int | None
    label_name: str
    probability: float | None
    probabilities: tuple[float, ...]
    score: float | None
    threshold: float | None
    method: str
    target: str | int
    completeness_error: float | None
    steps: int | None
    truncated: bool
    outputs: tuple[float, ...] = ()
    unread: tuple[tuple[int, ...], ...] = ((), ())

    def ranked(self, side: int) -> tuple[int, ...]:
        """Positions of a text's words from 0, most important first; ties go to the lower position. Words that were not
        read have no rank, unless none was."""
        return ranked(self.scores[side], self.unread[side])

    def blanks(self, side: int) -> tuple[int, ...]:
        """Positions of a text's words after which white space stands in it."""
        return blanks_after(self.texts[side], self.words[side])

    def _repr_html_(self) -> str:
        """What a notebook shows. Found by name, since the pages build on explanations and imports run one way."""
        return importlib.import_module("similarity_v1.report.inline").explanation_html(self)
