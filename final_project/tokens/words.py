"""Chinese words, found by jieba: which tokens belong to one word, and which words a text has."""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable, Iterator, Sequence

from tokenizers import Encoding

CHINESE = re.compile("[\u4e00-\u9fff]+")


@functools.cache
def _segmenter() -> Callable[[str], Iterator[str]]:
    import jieba  # half a second and its dictionary: only where words are asked for

    jieba.setLogLevel(logging.WARNING)
    return jieba.cut


def word_of_each_character(text: str) -> list[int]:
    """For each character the number of its word. The words cover the text without gap."""
    return [number for number, word in enumerate(_segmenter()(text)) for _ in word]


def word_starts(encoding: Encoding, texts: Sequence[str | None]) -> list[bool]:
    """For each token of one or two texts, whether a word begins with it; special tokens are words of their own.

    A token continues a word if its first character and the last one of the token before are in the same word.
    """
    words = [word_of_each_character(text or "") for text in texts]
    starts: list[bool] = []
    before: tuple[int, int] | None = None  # (text, word) in which the token before ends
    for text, (begin, end) in zip(encoding.sequence_ids, encoding.offsets, strict=True):
        if text is None or end <= begin:  # a special token, or one without characters
            starts.append(True)
            before = None
        else:
            starts.append((text, words[text][begin]) != before)
            before = text, words[text][end - 1]
    return starts


def chinese_words(text: str) -> list[str]:
    """The words of two or more Chinese characters, in order."""
    return [word for word in _segmenter()(text) if len(word) > 1 and CHINESE.fullmatch(word)]
