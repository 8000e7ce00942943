"""Settings of the encoder that both training stages work on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from final_project.settings.section import Section, setting


class Encoder(Section):
    """Where the encoder starts: a folder, a hub name, or random weights of a given size."""

    init: str = setting("scratch", "scratch (random weights), a transformers folder, or a hub name", common=True)
    allow_download: bool = setting(False, "let transformers download a hub name over the network")
    n_layers: int = setting(4, "transformer layers (init: scratch)", "layers", common=True, ge=1, le=96)
    hidden_size: int = setting(256, "size of the hidden states (init: scratch)", "units", common=True, ge=8, le=8192)
    n_heads: int = setting(4, "attention heads of a layer (init: scratch)", "heads", common=True, ge=1, le=128)
    intermediate_size: int = setting(1024, "size of the feed-forward layer (init: scratch)", "units", ge=8)
    max_positions: int = setting(
        128, "position embeddings, and so the longest possible input (init: scratch)", "tokens", ge=16
    )
    dropout: float = setting(
        0.1, "dropout probability in hidden states and attention (init: scratch)", "fraction", ge=0, lt=1
    )
    start: Literal["bert", "matching"] = setting(
        "bert", "initial weights: bert = BERT's own; matching = equal characters attend to each other (init: scratch)"
    )
    match_types: bool = setting(
        False, "mark tokens that occur in both texts with token types of their own (init: scratch)"
    )
    ngram_buckets: int = setting(
        0, "embeddings of pairs of neighbouring tokens, hashed into this many; 0 = none (init: scratch)", "vectors",
        ge=0,
    )  # fmt: skip
    vocab_size: int = setting(
        8000, "most tokens in the vocabulary built from the text (init: scratch)", "tokens", common=True, ge=64
    )
    vocab_kind: Literal["characters", "pieces"] = setting(
        "characters", "that vocabulary's tokens: characters, or pieces of words for scripts with words (init: scratch)"
    )
    lower_case: bool = setting(True, "write all text in lower case before it is tokenised (init: scratch)")
    vocab_words: int = setting(0, "frequent words (jieba) in that vocabulary (init: scratch)", "words", ge=0)
    extend_vocab: int = setting(
        0, "tokens to add to an existing tokenizer: frequent characters and words that it cannot write", "tokens", ge=0
    )

    def conflicts(self) -> Iterator[str]:
        if self.hidden_size % self.n_heads:
            yield f"hidden_size: {self.hidden_size} is not a multiple of n_heads: {self.n_heads}"
        if self.init == "scratch" and self.extend_vocab:
            yield (
                f"extend_vocab: {self.extend_vocab} needs an existing tokenizer; with init: scratch use vocab_size and "
                "vocab_words"
            )
        if self.init != "scratch" and self.vocab_words:
            yield f"vocab_words: {self.vocab_words} needs init: scratch; with init: {self.init} use extend_vocab"
        for name in ("vocab_kind", "lower_case"):
            value = getattr(self, name)
            if self.init != "scratch" and value != type(self).model_fields[name].default:
                yield f"{name}: {str(value).lower()} needs init: scratch; init: {self.init} has its own tokenizer"
        for name in ("match_types", "ngram_buckets"):
            if self.init != "scratch" and (value := getattr(self, name)):
                value = str(value).lower()
                yield f"{name}: {value} needs init: scratch; init: {self.init} names an encoder trained without it"
        if self.ngram_buckets == 1:
            yield "ngram_buckets: 1 would give all pairs one vector; use 0 (none) or at least 2"
        if self.vocab_words > self.vocab_size // 2:
            yield f"vocab_words: {self.vocab_words} is more than half of vocab_size: {self.vocab_size}"
