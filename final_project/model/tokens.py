"""Tokenizers: from a folder, from a hub name where that is allowed, or built from the text."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from transformers import AutoTokenizer, BertTokenizer, PreTrainedTokenizerBase

from final_project.errors import ArtifactError, DataError, first_line

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
BUILD_ROWS = 1000  # texts normalised at a time


def build_tokenizer(texts: Iterable[str], vocab_size: int, source: str = "text") -> PreTrainedTokenizerBase:
    """A BERT tokenizer whose vocabulary is the most frequent characters of the text.

    Chinese characters stand alone in BERT's scheme; in a run of letters or digits every character after the first is
    a continuation (`##a`), so each such character gets both forms. Raises DataError where the text is empty.
    """
    normalise = BertTokenizer(vocab={token: at for at, token in enumerate(SPECIAL_TOKENS)}).backend_tokenizer
    counts: Counter[str] = Counter()
    for text in texts:
        words = normalise.pre_tokenizer.pre_tokenize_str(normalise.normalizer.normalize_str(text))
        for word, _ in words:
            counts.update([word[0], *(f"##{character}" for character in word[1:])])
    if not counts:
        raise DataError(source, "no text to build a vocabulary from")
    # by frequency, then by code point, so that the same text always gives the same ids
    ranked = sorted(counts, key=lambda token: (-counts[token], token))
    kept = [*SPECIAL_TOKENS, *ranked[: vocab_size - len(SPECIAL_TOKENS)]]
    return BertTokenizer(vocab={token: at for at, token in enumerate(kept)})


def load_init_tokenizer(place: str, allow_download: bool) -> PreTrainedTokenizerBase:
    """The tokenizer of `encoder.init`; raises ArtifactError where it has none or it cannot mask."""
    try:
        tokenizer = AutoTokenizer.from_pretrained(place, local_files_only=not allow_download)
    except Exception as error:  # whatever a missing or damaged tokenizer makes the library raise
        raise ArtifactError(f"{place}: the tokenizer cannot be loaded: {first_line(error)}") from error
    if tokenizer.mask_token_id is None:
        raise ArtifactError(f"{place}: the tokenizer has no mask token, so it cannot serve masked-LM training")
    return tokenizer
