"""Extend an existing vocabulary by words that its tokenizer does not know; each starts as the mean of its pieces."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

import torch
from tokenizers import AddedToken
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from final_project.tokens.tokenizer import ranked, split_units

LEAST_OCCURRENCES = 2  # one that occurs once would not be trained


def unknown_units(texts: Iterable[str], tokenizer: PreTrainedTokenizerBase, count: int) -> list[str]:
    """The most frequent characters and words that the tokenizer turns into its unknown token; ties by code point.

    Tokenizers that fall back to bytes know everything: none.
    """
    counts: Counter[str] = Counter()
    for units in split_units(texts, tokenizer.backend_tokenizer):
        counts.update(units)
    backend, unknown = tokenizer.backend_tokenizer, tokenizer.unk_token_id
    lacking = [
        unit
        for unit, n in counts.items()
        if n >= LEAST_OCCURRENCES and unknown in backend.encode(unit, add_special_tokens=False).ids
    ]
    return ranked(Counter({unit: counts[unit] for unit in lacking}))[:count]


@torch.no_grad()
def add_units(units: list[str], model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """Add the units to tokenizer and model, in place. Each starts as the mean of its characters' embeddings, an
    unknown character's being that of the unknown token; an output bias likewise."""
    pieces = {unit: _pieces(unit, tokenizer) for unit in units}
    tokenizer.add_tokens([_as_token(unit, tokenizer) for unit in units])
    model.resize_token_embeddings(max(model.config.vocab_size, len(tokenizer)), mean_resizing=False)
    outputs = model.get_output_embeddings()
    tables = {model.get_input_embeddings().weight, outputs.weight} | ({outputs.bias} - {None})
    for table in tables:  # tied weights are one table
        for unit, ids in pieces.items():
            table[tokenizer.convert_tokens_to_ids(unit)] = table[ids].mean(dim=0)


def _as_token(unit: str, tokenizer: PreTrainedTokenizerBase) -> AddedToken:
    """Looked for in the normalised text, so that capitals are found; but a Chinese character, around which BERT's
    normaliser puts spaces, in the text itself. What has several characters is not to be found within something longer.
    """
    normaliser = tokenizer.backend_tokenizer.normalizer
    is_stable = normaliser is None or normaliser.normalize_str(unit) == unit
    return AddedToken(unit, single_word=len(unit) > 1, normalized=is_stable)


def _pieces(unit: str, tokenizer: PreTrainedTokenizerBase) -> list[int]:
    backend = tokenizer.backend_tokenizer
    return [at for character in unit for at in backend.encode(character, add_special_tokens=False).ids]
