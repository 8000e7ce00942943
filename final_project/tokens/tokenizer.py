"""Tokenizers: from a folder, from a hub name where that is allowed, or built from the text."""

from __future__ import annotations

import contextlib
import copy
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Literal

from tokenizers import AddedToken, Regex, Tokenizer, pre_tokenizers
from transformers import AutoTokenizer, BertTokenizer, PreTrainedTokenizerBase

from final_project.chunks import in_chunks
from final_project.errors import ArtifactError, DataError, first_line
from final_project.tokens.pieces import word_pieces
from final_project.tokens.words import chinese_words

VocabKind = Literal["characters", "pieces"]
SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
BUILD_ROWS = 1000  # texts normalised at a time


def build_tokenizer(
    texts: Iterable[str],
    vocab_size: int,
    source: str = "text",
    vocab_words: int = 0,
    kind: VocabKind = "characters",
    lower_case: bool = True,
) -> PreTrainedTokenizerBase:
    """A BERT tokenizer whose vocabulary, of at most vocab_size tokens, is the most frequent characters of the text, and
    its most frequent words.

    Chinese characters are words in BERT's scheme; in a run of letters or digits every character after the first is
    a continuation (`##a`). Each form is a token of its own with its own count, so of a character the vocabulary may
    hold both, one, or none. Words (at most vocab_words, of two or more Chinese characters) are added tokens: the
    longest that fits at a place is taken. kind: pieces = characters and pieces of words (pieces.py), for scripts that
    have words. lower_case: whether capitals say nothing. Raises DataError where the text is empty.
    """
    special = {token: at for at, token in enumerate(SPECIAL_TOKENS)}
    scheme = BertTokenizer(vocab=special, do_lower_case=lower_case).backend_tokenizer
    units: Counter[str] = Counter()
    words: Counter[str] = Counter()
    for chunk in in_chunks(texts, BUILD_ROWS):
        for found in split_units(chunk, scheme):
            units.update(found)
        if vocab_words:
            words.update(chain.from_iterable(map(chinese_words, chunk)))
    if not units:
        raise DataError(source, "no text to build a vocabulary from")
    counts: Counter[str] = Counter()
    for unit, n in units.items():
        for token in (unit[0], *(f"##{character}" for character in unit[1:])):
            counts[token] += n
    added = ranked(words)[:vocab_words]
    most = vocab_size - len(SPECIAL_TOKENS) - len(added)
    kept = [*SPECIAL_TOKENS, *(word_pieces(units, most) if kind == "pieces" else ranked(counts)[:most])]
    tokenizer = BertTokenizer(vocab={token: at for at, token in enumerate(kept)}, do_lower_case=lower_case)
    tokenizer.add_tokens([AddedToken(word, normalized=False) for word in added])
    return tokenizer


def with_special_tokens_as_text(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """The same tokenizer, changed in place: what a text spells, such as `[SEP]` or `</s>`, is text, and special tokens
    are those alone that the tokenizer adds itself. It is saved with the setting. Other texts keep their tokens.
    """
    tokenizer.split_special_tokens = True
    tokenizer.init_kwargs["split_special_tokens"] = True  # what save_pretrained writes
    if not tokenizer.is_fast:
        return tokenizer
    backend = tokenizer.backend_tokenizer
    backend.encode_special_tokens = True
    spelled = [token for token in tokenizer.all_special_tokens if len(token) > 1]
    whole = [token for token in spelled if _spells_itself(token, tokenizer)]
    if whole:  # the vocabulary itself has it as a piece of text, as SentencePiece's have </s>: it is parted beforehand
        pattern = "|".join(f"(?<={re.escape(token[0])})(?={re.escape(token[1:])})" for token in whole)
        parts = [pre_tokenizers.Split(Regex(pattern), "isolated"), backend.pre_tokenizer]
        backend.pre_tokenizer = pre_tokenizers.Sequence([part for part in parts if part is not None])
    return tokenizer


def with_special_tokens(tokenizer: PreTrainedTokenizerBase) -> PreTrainedTokenizerBase:
    """A copy to which special tokens that a text spells are those tokens, as libraries expect of a masked-LM folder."""
    plain = copy.deepcopy(tokenizer)
    plain.split_special_tokens = False
    plain.init_kwargs.pop("split_special_tokens", None)
    if plain.is_fast:
        plain.backend_tokenizer.encode_special_tokens = False
    return plain


@contextlib.contextmanager
def special_tokens_meant(tokenizer: PreTrainedTokenizerBase, are_meant: bool = True) -> Iterator[None]:
    """Within it a special token that a text spells is that token, where are_meant."""
    before = tokenizer.split_special_tokens
    tokenizer.split_special_tokens = before and not are_meant
    try:
        yield
    finally:
        tokenizer.split_special_tokens = before


def _spells_itself(token: str, tokenizer: PreTrainedTokenizerBase) -> bool:
    """Whether a special token's text becomes that token, alone or within a text."""
    ids = [tokenizer.backend_tokenizer.encode(text, add_special_tokens=False).ids for text in (token, f"a {token}a")]
    return any(tokenizer.convert_tokens_to_ids(token) in of_text for of_text in ids) and token != tokenizer.unk_token


def split_units(texts: Iterable[str], scheme: Tokenizer) -> Iterator[list[str]]:
    """What a tokenizer's scheme takes apart before it looks into its vocabulary: Chinese characters, runs of others.

    Many texts at a time, joined by line ends, where every scheme parts."""
    for chunk in in_chunks(texts, BUILD_ROWS):
        text = "\n".join(chunk)
        if scheme.normalizer is not None:
            text = scheme.normalizer.normalize_str(text)
        yield [unit for unit, _ in scheme.pre_tokenizer.pre_tokenize_str(text)]


def ranked(counts: Counter[str]) -> list[str]:
    """By frequency, then by code point, so that the same text always gives the same ids."""
    return sorted(counts, key=lambda token: (-counts[token], token))


def load_init_tokenizer(place: str, allow_download: bool) -> PreTrainedTokenizerBase:
    """The tokenizer of `encoder.init`, to which special tokens that a text spells are text; raises ArtifactError where
    it has none."""
    return with_special_tokens_as_text(load_plain_tokenizer(place, allow_download))


def load_plain_tokenizer(place: str, allow_download: bool) -> PreTrainedTokenizerBase:
    """The tokenizer of a folder or hub name, as it is; raises ArtifactError where it has none."""
    try:
        return AutoTokenizer.from_pretrained(place, local_files_only=not allow_download)
    except Exception as error:  # whatever a missing or damaged tokenizer makes the library raise
        raise ArtifactError(f"{place}: the tokenizer cannot be loaded: {first_line(error)}") from error
