"""From texts to what a model reads: tokens with their characters, rows of like length, padded batches.

Shapes: B rows, T tokens of the longest row of a batch.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor
from transformers import PreTrainedTokenizerBase

from final_project.model.model_inputs import padded
from final_project.tokens.encode import Texts, encode_rows
from similarity_v1.explain.alignment import Span, align, word_spans, words_touched

CHUNK = 1000  # rows handed to the tokenizer at a time


@dataclass(frozen=True)
class EncodedRow:
    """One row's tokens, not padded. side_T: 0 and 1 for tokens of the texts, None for special tokens; spans_T: the
    characters of each token; word_spans: those of the words of each text; seed: a hash of the texts."""

    arrays: dict[str, list[int]]
    side_T: list[int | None]
    spans_T: list[Span]
    word_spans: tuple[list[Span], ...]
    truncated: bool
    seed: int

    def __len__(self) -> int:
        return len(self.side_T)

    @cached_property
    def unread(self) -> tuple[tuple[int, ...], ...]:
        """Per text the positions of the words that were cut off. Where nothing was cut, what a tokenizer drops of a
        text (a control character, say) counts as read."""
        if not self.truncated:
            return tuple(() for _ in self.word_spans)
        sides = []
        for side, spans_W in enumerate(self.word_spans):
            spans = [span for span, of_side in zip(self.spans_T, self.side_T, strict=True) if of_side == side]
            read = {w for words in words_touched(spans, spans_W) for w in words}
            sides.append(tuple(w for w in range(len(spans_W)) if w not in read))
        return tuple(sides)

    def word_scores(self, scores_T: Sequence[float]) -> tuple[tuple[float, ...], ...]:
        """Token scores -> one score per word of each text."""
        sides = []
        for side, spans_W in enumerate(self.word_spans):
            tokens = [t for t, of_side in enumerate(self.side_T) if of_side == side]
            scores_W = align([scores_T[t] for t in tokens], [self.spans_T[t] for t in tokens], spans_W)
            sides.append(tuple(map(float, scores_W)))
        return tuple(sides)

    @cached_property
    def units_T(self) -> list[int]:
        """For each token the unit it is left out with, numbered from 0; -1 for special tokens.

        A unit is a word, or several words with the tokens that they share: what can be left out alone.
        """
        units_T = [-1] * len(self)
        n_units = 0
        for side, spans_W in enumerate(self.word_spans):
            tokens = [t for t, of_side in enumerate(self.side_T) if of_side == side]
            touched = words_touched([self.spans_T[t] for t in tokens], spans_W)
            unit_of_word = _joined(len(spans_W), touched)
            numbers: dict[int, int] = {}
            for t, words in zip(tokens, touched, strict=True):
                # where no word takes the token it stays in, as a special token does
                if words:
                    unit = numbers.setdefault(unit_of_word[words[0]], n_units + len(numbers))
                    units_T[t] = unit
            n_units += len(numbers)
        return units_T


def _joined(n_words: int, touched: Sequence[Sequence[int]]) -> list[int]:
    """For each word the first word of its unit. Words are in order, so what a token joins is a run of them."""
    unit = list(range(n_words))
    for words in touched:
        first = min((unit[w] for w in words), default=0)
        for w in words:
            unit[w] = first
    return unit


def encode(
    tokenizer: PreTrainedTokenizerBase,
    limit: int,
    rows: Sequence[Texts],
    words: Sequence[Sequence[Sequence[str]]],
    keys: Sequence[str],
) -> list[EncodedRow]:
    """Tokenise rows, each of one text or each of two, with their words, cut to `limit` tokens, the longer text first.

    keys: the inputs that the model takes. A lone surrogate, which JSON can spell, has no UTF-8; U+FFFD stands in for
    it in what the model reads, one character for one, so offsets stay true.
    """
    encoded: list[EncodedRow] = []
    for begin in range(0, len(rows), CHUNK):
        some = rows[begin : begin + CHUNK]
        clean = [tuple(re.sub("[\ud800-\udfff]", "\ufffd", text) for text in texts) for texts in some]
        found = encode_rows(tokenizer, clean, limit)
        for row, its_clean, texts, its_words in zip(found, clean, some, words[begin : begin + CHUNK], strict=True):
            assert row.tokens is not None, "a fast tokenizer gives an Encoding"
            encoded.append(
                EncodedRow(
                    arrays={key: row.columns[key] for key in keys if key in row.columns},
                    side_T=row.tokens.sequence_ids,
                    spans_T=row.tokens.offsets,
                    word_spans=tuple(map(word_spans, texts, its_words)),
                    truncated=row.is_cut,
                    seed=seed_from_texts(its_clean),
                )
            )
    return encoded


def seed_from_texts(texts: Texts) -> int:
    """A number below 2**63 that depends on the texts alone: neither on the batch nor on the order of rows."""
    digest = hashlib.blake2b(digest_size=8)
    for text in texts:
        digest.update(f"{len(text)}:{text}".encode())
    return int.from_bytes(digest.digest(), "big") >> 1


def pad(rows: Sequence[EncodedRow], pad_token_id: int, device: torch.device) -> dict[str, Tensor]:
    """The rows as (B, T) tensors, filled up on the right: attention_mask and everything but the ids with 0."""
    return padded([row.arrays for row in rows], pad_token_id, device)
