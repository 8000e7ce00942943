"""One pair for a person to look at: label, probability and shaded words, on a terminal or as a small page."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import IO

from rich.console import Console
from rich.text import Text

from final_project.data.pairs import SegmentedPair
from final_project.errors import DataError
from similarity_v1.selection import select
from similarity_v1.word_scores import WordScores

# A run of Latin letters or digits is one word; of anything else each character is one, white space none.
WORD = re.compile(r"[A-Za-z0-9]+|\S")
MEANING = {1: "same meaning", 0: "different meaning"}
WEAK, STRONG = (236, 242, 248), (9, 105, 178)


def segment(text: str) -> tuple[str, ...]:
    return tuple(WORD.findall(text))


def pair_of(text_a: str, text_b: str) -> SegmentedPair:
    """The two sentences as one row with id 0; raises DataError where one is empty."""
    for name, text in (("TEXT_A", text_a), ("TEXT_B", text_b)):
        if not text.strip():
            raise DataError(name, "the sentence is empty")
    return SegmentedPair(0, text_a, text_b, segment(text_a), segment(text_b))


def print_explanation(pair: SegmentedPair, row: WordScores, ratio: float, stream: IO[str]) -> None:
    """Label, probability and words. Colours only where the stream is a terminal; elsewhere the ranking stands alone."""
    console = Console(file=stream, soft_wrap=True, highlight=False)
    certainty = row.probability if row.label == 1 else 1 - row.probability
    console.print(
        Text(f"label {row.label} ({MEANING[row.label]}), probability {certainty:.4f}, P(1) {row.probability:.4f}")
    )
    for name, words, scores in (("A", pair.words_q, row.scores_q), ("B", pair.words_t, row.scores_t)):
        console.print(_shaded(name, words, scores))
        chosen = select(scores, ratio)
        console.print(Text("   " + " > ".join(f"{words[i]} {scores[i]:.3g}" for i in chosen), style="dim"))


def _shaded(name: str, words: Sequence[str], scores: Sequence[float]) -> Text:
    line = Text(f"{name}  ")
    highest = max(scores) or 1.0
    for word, value in zip(words, scores, strict=True):
        share = value / highest
        red, green, blue = (round(w + (s - w) * share) for w, s in zip(WEAK, STRONG, strict=True))
        ink = "white" if share > 0.5 else "black"
        line.append(word, style=f"{ink} on rgb({red},{green},{blue})")
        line.append(" " if word.isascii() else "")
    return line
