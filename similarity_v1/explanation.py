"""What an explanation is: the model's answer for one row, a score for each word, and all that it takes to show them."""

from __future__ import annotations

import importlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Explanation:
    """texts: one or two. words, scores: per text, one finite score a word; words that were cut off score 0.

    label: the decided class, with its name and probability; None where the model gives scores. `score` is then the one
    that is explained (raw, before any activation), or the difference that is, `label_name` its name, and `outputs` are
    the scores of all outputs, in their order. probabilities: of all classes, empty for a score.
    threshold: label 1 where P(1) is at least this; None where the most probable class is the label.
    target: `predicted`, `both` or the class that was asked about, as the Explainer had it.
    completeness_error: |sum over all tokens - (F(text) - F(baseline))| where the method promises such a sum, else None.
    steps: how many gradients were taken for this row, where the method decides that, else None.
    truncated: whether the model could not read all of the texts.
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

    def ranked(self, side: int) -> tuple[int, ...]:
        """Positions of a text's words from 0, most important first; ties go to the lower position."""
        scores = self.scores[side]
        return tuple(sorted(range(len(scores)), key=lambda position: -scores[position]))

    def _repr_html_(self) -> str:
        """What a notebook shows. Found by name, since the pages build on explanations and imports run one way."""
        return importlib.import_module("similarity_v1.report.inline").explanation_html(self)
