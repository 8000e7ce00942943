"""A vocabulary of word pieces: made of the text alone, whatever its order, and it keeps capitals where asked."""

from __future__ import annotations

import itertools
import random
from collections import Counter

from transformers import AutoTokenizer

from final_project.tokens.pieces import word_pieces
from final_project.tokens.tokenizer import build_tokenizer

WORDS = {"lower": 5, "lowest": 2, "newer": 6, "wider": 3, "new": 2}


def slow_pieces(counts: dict[str, int], most: int) -> list[str]:
    """Byte-pair encoding by its definition: count all pairs anew, join the most frequent, again."""
    words = {word: [word[0], *("##" + c for c in word[1:])] for word in counts}
    characters: Counter[str] = Counter()
    for word, pieces in words.items():
        for piece in pieces:
            characters[piece] += counts[word]
    found = sorted(characters, key=lambda piece: (-characters[piece], piece))[:most]
    while len(found) < most:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, pieces in words.items():
            for pair in itertools.pairwise(pieces):
                pairs[pair] += counts[word]
        if not pairs:
            break
        best = min(pairs, key=lambda pair: (-pairs[pair], pair))
        merged = best[0] + best[1].removeprefix("##")
        if merged not in found:
            found.append(merged)
        for word, pieces in words.items():
            joined: list[str] = []
            for piece in pieces:
                if joined and (joined[-1], piece) == best:
                    joined[-1] = merged
                else:
                    joined.append(piece)
            words[word] = joined
    return found


def test_pieces_are_those_of_the_definition():
    generator = random.Random(1)
    for _ in range(60):
        counts = {
            "".join(generator.choice("abc") for _ in range(generator.randint(1, 8))): generator.randint(1, 9)
            for _ in range(generator.randint(1, 12))
        }
        assert word_pieces(counts, 40) == slow_pieces(counts, 40)
    assert word_pieces(WORDS, 30) == slow_pieces(WORDS, 30)


def test_the_order_of_the_text_does_not_matter():
    texts = ["A cat sat.", "The cats sit, and sat", "new newer newest", "I am. It is"]
    one = build_tokenizer(texts, 60, kind="pieces", lower_case=False)
    other = build_tokenizer(texts[::-1], 60, kind="pieces", lower_case=False)
    assert one.get_vocab() == other.get_vocab()
    assert len(one) <= 60


def test_capitals_stay_where_they_are_asked_for_and_a_saved_tokenizer_is_the_same(tmp_path):
    texts = ["My Cat sat", "my cat sat"] * 3
    cased = build_tokenizer(texts, 60, kind="pieces", lower_case=False)
    lower = build_tokenizer(texts, 60, kind="pieces")
    assert cased.tokenize("My cat") != cased.tokenize("my cat") and lower.tokenize("My cat") == lower.tokenize("my cat")
    cased.save_pretrained(tmp_path)
    assert (
        AutoTokenizer.from_pretrained(tmp_path).tokenize("My Cat sat")
        == cased.tokenize("My Cat sat")
        == ["My", "Cat", "sat"]
    )


def test_a_small_vocabulary_keeps_to_its_size():
    assert len(word_pieces(WORDS, 7)) == 7 and word_pieces({}, 5) == []
