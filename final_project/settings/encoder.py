"""Settings of the encoder that both training stages work on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from final_project.settings.section import Section, setting


class Encoder(Section):
    """Where the encoder starts: a folder, a hub name, or random weights of a given size."""

    init: str = setting("scratch", "scratch, a transformers folder, or a hub name")
    allow_download: bool = setting(False, "let transformers fetch a hub name over the network")
    n_layers: int = setting(4, "transformer layers (scratch only)", "layers", ge=1, le=96)
    hidden_size: int = setting(256, "width of the hidden states (scratch only)", "units", ge=8, le=8192)
    n_heads: int = setting(4, "attention heads (scratch only)", "heads", ge=1, le=128)
    intermediate_size: int = setting(1024, "width of the feed-forward layer (scratch only)", "units", ge=8)
    max_positions: int = setting(128, "longest sequence the positions reach (scratch only)", "tokens", ge=16)
    dropout: float = setting(0.1, "dropout of hidden states and attention (scratch only)", "share", ge=0, lt=1)
    start: Literal["bert", "matching"] = setting(
        "bert", "random weights as BERT has them, or drawn so that equal characters attend to each other (scratch only)"
    )
    match_types: bool = setting(
        False, "token types of their own for tokens that the other text has, too (scratch only)"
    )
    ngram_buckets: int = setting(
        0, "vectors for pairs of neighbouring tokens, found by a hash; 0: none (scratch only)", "vectors", ge=0
    )
    vocab_size: int = setting(8000, "largest vocabulary built from the text (scratch only)", "tokens", ge=64)
    vocab_words: int = setting(0, "frequent words (jieba) among that vocabulary (scratch only)", "words", ge=0)
    extend_vocab: int = setting(
        0, "frequent characters, and words it has no pieces for, that a given tokenizer is taught", "tokens", ge=0
    )

    def conflicts(self) -> Iterator[str]:
        if self.hidden_size % self.n_heads:
            yield f"hidden_size {self.hidden_size} is not a multiple of n_heads {self.n_heads}"
        if self.init == "scratch" and self.extend_vocab:
            yield "extend_vocab is for a given tokenizer; init is scratch: use vocab_size and vocab_words"
        if self.init != "scratch" and self.vocab_words:
            yield f"vocab_words is for init scratch; init is {self.init}: use extend_vocab"
        for name in ("match_types", "ngram_buckets"):
            if self.init != "scratch" and getattr(self, name):
                yield f"{name} is for init scratch; init is {self.init}, which was trained without them"
        if self.ngram_buckets == 1:
            yield "ngram_buckets 1 has room for no pair: 0, or 2 and more"
        if self.vocab_words > self.vocab_size // 2:
            yield f"vocab_words {self.vocab_words} leaves less than half of vocab_size {self.vocab_size}"
