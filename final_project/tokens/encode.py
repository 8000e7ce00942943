"""Texts, or pairs of texts, as tokens cut to a model's length: the one place where rows are tokenised for a model.

The tokenizers library keeps every piece that it cuts off, and of a pair every combination of two pieces: a number that
grows with the product of the two lengths. Rows that are far longer than the limit are therefore tokenised text by text,
cut here by the library's rule, and joined by the library's own post-processor. The tokens, offsets and types are those
that the library gives.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from tokenizers import Encoding, Tokenizer
from transformers import PreTrainedTokenizerBase

from final_project import strict_json

Texts = tuple[str, ...]  # one text, or the two of a pair

LONG_BYTES = 4  # a row with more bytes for each token of the limit is cut here: this decides the cost, not the outcome
CUT = {"truncation": "longest_first", "return_attention_mask": False, "return_token_type_ids": True, "verbose": False}


@dataclass(frozen=True)
class EncodedTexts:
    """The tokens of one row, special ones included. tokens: None where the tokenizer is written in Python, which knows
    no characters of a token. is_cut: whether the row was longer than the limit."""

    input_ids: list[int]
    token_type_ids: list[int]
    tokens: Encoding | None
    is_cut: bool

    def __len__(self) -> int:
        return len(self.input_ids)

    @cached_property
    def columns(self) -> dict[str, list[int]]:
        """What a model reads, by the names of its inputs."""
        ones = [1] * len(self)
        return {"input_ids": self.input_ids, "token_type_ids": self.token_type_ids, "attention_mask": ones}


def encode_rows(tokenizer: PreTrainedTokenizerBase, rows: Sequence[Texts], max_length: int) -> list[EncodedTexts]:
    """Tokenise rows, all of one text or all of two, and cut each to max_length tokens, the longer text first.

    As the library does it with `truncation="longest_first"` and the tokenizer's truncation_side, in time and memory
    that grow with the length of the texts. tokenizer: its state is afterwards that of such a call.
    """
    bare: Tokenizer | None = None
    found: dict[int, EncodedTexts] = {}
    is_long = [tokenizer.is_fast and _n_bytes(row) > LONG_BYTES * max_length for row in rows]
    short = [at for at, long in enumerate(is_long) if not long]
    # without a short row the call is still made: it sets how the tokenizer cuts
    some = [rows[at] for at in short] or [tuple("" for _ in row) for row in rows[:1]]
    for at, encoded in zip(short, _by_the_library(tokenizer, some, max_length), strict=False):
        found[at] = encoded
    room = max_length - (tokenizer.num_special_tokens_to_add(pair=len(rows[0]) == 2) if rows else 0)
    for at in (at for at, long in enumerate(is_long) if long):
        bare = bare or _without_post_processor(tokenizer.backend_tokenizer)
        found[at] = _cut_here(tokenizer, bare, rows[at], room)
    return [found[at] for at in range(len(rows))]


def _n_bytes(row: Texts) -> int:
    return sum(len(text.encode("utf-8", "replace")) for text in row)


def _by_the_library(tokenizer: PreTrainedTokenizerBase, rows: Sequence[Texts], max_length: int) -> list[EncodedTexts]:
    if not rows:
        return []
    sides = [list(side) for side in zip(*rows, strict=True)]
    cut = tokenizer(*sides, max_length=max_length, **CUT)
    encodings = cut.encodings or [None] * len(rows)
    types = cut.get("token_type_ids") or [[0] * len(ids) for ids in cut["input_ids"]]
    is_full = [len(ids) >= max_length for ids in cut["input_ids"]]
    if cut.encodings:
        is_cut = [full and bool(tokens.overflowing) for full, tokens in zip(is_full, encodings, strict=True)]
    else:
        is_cut = _longer_in_full(tokenizer, rows, is_full, max_length)
    return [EncodedTexts(*row) for row in zip(cut["input_ids"], types, encodings, is_cut, strict=True)]


def _longer_in_full(
    tokenizer: PreTrainedTokenizerBase, rows: Sequence[Texts], is_full: Sequence[bool], max_length: int
) -> list[bool]:
    """For a tokenizer that does not say what it cut: whether the row has more tokens than max_length."""
    return [
        full and len(tokenizer(*row, verbose=False)["input_ids"]) > max_length
        for row, full in zip(rows, is_full, strict=True)
    ]


def _cut_here(tokenizer: PreTrainedTokenizerBase, bare: Tokenizer, row: Texts, room: int) -> EncodedTexts:
    """room: tokens of the texts, special ones aside."""
    bare.encode_special_tokens = tokenizer.backend_tokenizer.encode_special_tokens
    whole = [bare.encode(text, add_special_tokens=False) for text in row]
    lengths = list(map(len, whole))
    kept = kept_tokens(lengths, room)
    is_left = tokenizer.truncation_side == "left"
    sides = [_part(side, n - k if is_left else 0, k) for side, n, k in zip(whole, lengths, kept, strict=True)]
    tokens = tokenizer.backend_tokenizer.post_process(*sides, add_special_tokens=True)
    return EncodedTexts(tokens.ids, tokens.type_ids, tokens, sum(kept) < sum(lengths))


def kept_tokens(lengths: Sequence[int], room: int) -> list[int]:
    """How many tokens of each text stay in a room for so many: longest first, as the library has it.

    The longer text is cut to the room that the shorter leaves, but not below the shorter; then both to halves, of which
    the longer text has the odd token (the second where they are equally long).
    """
    if sum(lengths) <= room:
        return list(lengths)
    if len(lengths) == 1:
        return [room]
    shorter = min(lengths)
    longer = max(shorter, room - shorter)
    if shorter + longer > room:
        shorter, longer = room // 2, room - room // 2
    return [longer, shorter] if lengths[0] > lengths[1] else [shorter, longer]


def _part(whole: Encoding, begin: int, n_tokens: int) -> Encoding:
    """Some tokens of an encoding, without what was cut off, which `Encoding.truncate` would keep.

    Encodings are built by their own pickled form, for want of a constructor.
    """
    if n_tokens == len(whole):
        return whole
    names = ("ids", "type_ids", "tokens", "offsets", "special_tokens_mask", "attention_mask")
    state = {name: getattr(whole, name)[begin : begin + n_tokens] for name in names}
    state |= {"words": whole.word_ids[begin : begin + n_tokens], "overflowing": [], "sequence_ranges": {}}
    part = Encoding()
    part.__setstate__(strict_json.dumps(state).encode())
    return part


def _without_post_processor(backend: Tokenizer) -> Tokenizer:
    """A tokenizer of the same tokens that adds, moves and cuts nothing: what is joined later must not be done twice.

    It shares the backend's parts, which costs nothing, unless that would number added tokens in another way.
    """
    bare = Tokenizer(backend.model)
    for part in ("normalizer", "pre_tokenizer"):
        if getattr(backend, part) is not None:
            setattr(bare, part, getattr(backend, part))
    added = backend.get_added_tokens_decoder()
    for _, token in sorted(added.items()):
        (bare.add_special_tokens if token.special else bare.add_tokens)([token])
    if bare.get_added_tokens_decoder() != added:
        described = json.loads(backend.to_str()) | {"post_processor": None, "truncation": None, "padding": None}
        bare = Tokenizer.from_str(strict_json.dumps(described))
    return bare
