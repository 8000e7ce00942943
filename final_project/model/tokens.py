"""Tokenizers: from a folder, from a hub name where that is allowed, or built from the text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, islice

from tokenizers import AddedToken, Tokenizer
from transformers import AutoTokenizer, BertTokenizer, PreTrainedTokenizerBase

from final_project.errors import ArtifactError, DataError, first_line
from final_project.model.words import chinese_words

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
BUILD_ROWS = 1000  # texts normalised at a time


def build_tokenizer(
    texts: Iterable[str], vocab_size: int, source: str = "text", vocab_words: int = 0
) -> PreTrainedTokenizerBase:
    """A BERT tokenizer whose vocabulary is the most frequent characters of the text, and its most frequent words.

    Chinese characters stand alone in BERT's scheme; in a run of letters or digits every character after the first is
    a continuation (`##a`), so each such character gets both forms. Words (at most vocab_words, of two or more Chinese
    characters) are added tokens: the longest that fits at a place is taken. Raises DataError where the text is empty.
    """
    scheme = BertTokenizer(vocab={token: at for at, token in enumerate(SPECIAL_TOKENS)}).backend_tokenizer
    units: Counter[str] = Counter()
    words: Counter[str] = Counter()
    for chunk in chunks(texts, BUILD_ROWS):
        for found in units_of(chunk, scheme):
            units.update(found)
        if vocab_words:
            words.update(chain.from_iterable(map(chinese_words, chunk)))
    if not units:
        raise DataError(source, "no text to build a vocabulary from")
    counts: Counter[str] = Counter()
    for unit, n in units.items():
        for token in (unit[0], *(f"##{character}" for character in unit[1:])):
            counts[token] += n
    taught = ranked(words)[:vocab_words]
    kept = [*SPECIAL_TOKENS, *ranked(counts)[: vocab_size - len(SPECIAL_TOKENS) - len(taught)]]
    tokenizer = BertTokenizer(vocab={token: at for at, token in enumerate(kept)})
    tokenizer.add_tokens([AddedToken(word, normalized=False) for word in taught])
    return tokenizer


def units_of(texts: Iterable[str], scheme: Tokenizer) -> Iterator[list[str]]:
    """What a tokenizer's scheme takes apart before it looks into its vocabulary: Chinese characters, runs of others.

    Many texts at a time, joined by line ends, where every scheme parts."""
    for chunk in chunks(texts, BUILD_ROWS):
        text = "\n".join(chunk)
        if scheme.normalizer is not None:
            text = scheme.normalizer.normalize_str(text)
        yield [unit for unit, _ in scheme.pre_tokenizer.pre_tokenize_str(text)]


def ranked(counts: Counter[str]) -> list[str]:
    """By frequency, then by code point, so that the same text always gives the same ids."""
    return sorted(counts, key=lambda token: (-counts[token], token))


def chunks(texts: Iterable[str], size: int) -> Iterator[list[str]]:
    iterator = iter(texts)
    while chunk := list(islice(iterator, size)):
        yield chunk


def load_init_tokenizer(place: str, allow_download: bool) -> PreTrainedTokenizerBase:
    """The tokenizer of `encoder.init`; raises ArtifactError where it has none."""
    try:
        return AutoTokenizer.from_pretrained(place, local_files_only=not allow_download)
    except Exception as error:  # whatever a missing or damaged tokenizer makes the library raise
        raise ArtifactError(f"{place}: the tokenizer cannot be loaded: {first_line(error)}") from error
