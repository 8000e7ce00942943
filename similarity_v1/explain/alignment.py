"""From sub-word scores to scores of the given words, by character offset.

A token that touches m of the given words gives each score/m; a word's score is the sum (the published rule;
docs/NUMERICS.md#alignment). Words are located in order, white space aside, so the spans are exact for whatever text
the words join to. Shapes: T tokens of one sentence, W given words.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

Span = tuple[int, int]  # first character and one past the last, from 0


def word_spans(sentence: str, words: Sequence[str]) -> list[Span]:
    """The characters of each word in the sentence, (W,) spans in order.

    The words must join to the sentence, white space aside (the reader of the pairs holds this). A word of nothing but
    white space has an empty span at its position.
    """
    places = [place for place, char in enumerate(sentence) if not char.isspace()]
    spans: list[Span] = []
    taken = end = 0
    for word in words:
        n_chars = sum(not char.isspace() for char in word)
        start = places[taken] if n_chars else end
        taken += n_chars
        end = places[taken - 1] + 1 if n_chars else end
        spans.append((start, end))
    assert taken == len(places), "words that do not join to their sentence reached the alignment"
    return spans


def blanks_after(sentence: str, words: Sequence[str]) -> tuple[int, ...]:
    """Positions of the words that white space follows; never the last word."""
    spans = word_spans(sentence, words)
    return tuple(
        place
        for place, ((_, end), (start, _)) in enumerate(pairwise(spans))
        if start > end and not words[place][-1:].isspace() and not words[place + 1][:1].isspace()
    )


def align(scores_T: Sequence[float], token_spans: Sequence[Span], spans_W: Sequence[Span]) -> np.ndarray:
    """Scores of the W words. Every word has a finite score, 0 where no token touches it (dropped or cut off), and the
    sum of the token scores is conserved wherever there is a word to take it.
    """
    scores_W = np.zeros(len(spans_W))
    for score, touched in zip(scores_T, words_touched(token_spans, spans_W), strict=True):
        for w in touched:
            scores_W[w] += score / len(touched)
    return scores_W


def words_touched(token_spans: Sequence[Span], spans_W: Sequence[Span]) -> list[Sequence[int]]:
    """For each token the words that share it, in order.

    A token between words belongs to the nearest word before it, else after it. Words of nothing but white space have a
    share only where the sentence has no other.
    """
    solid = [w for w, (start, end) in enumerate(spans_W) if end > start]
    if not solid:
        return [range(len(spans_W))] * len(token_spans)
    starts = [spans_W[w][0] for w in solid]
    ends = [spans_W[w][1] for w in solid]
    touched: list[Sequence[int]] = []
    for start, end in token_spans:
        first = bisect_right(ends, start)  # the first word that ends after the token starts
        last = bisect_left(starts, end)  # one past the last word that starts before the token ends
        if start >= end or first >= last:
            first = max(bisect_right(starts, start) - 1, 0)
            last = first + 1
        touched.append(solid[first:last])
    return touched
