"""The words that an explanation points at, found in a text where none are given.

characters   what a reader sees as one character: a grapheme cluster, as an emoji with joiners, a letter and its accent
contest      each character, but a run of Latin letters or digits is one word
jieba        Chinese words as jieba finds them, and never less than a word of `script`
whitespace   runs of characters between white space
script       Chinese characters and kana one by one, whole words of other scripts; the default, as in `prepare`

Whatever the rule, the words in order join to the text, white space aside, and a text that has any character has a word.
"""

from __future__ import annotations

import re
from collections.abc import Callable

import regex

from final_project.text.script_words import units_by_script, words_by_script
from final_project.tokens.words import word_of_each_character

Words = tuple[str, ...]

CLUSTER = regex.compile(r"\X")
CONTEST_WORD = re.compile(r"[A-Za-z0-9]+|\S")


def characters(text: str) -> Words:
    return tuple(cluster for cluster in CLUSTER.findall(text) if not cluster.isspace())


def contest(text: str) -> Words:
    return tuple(CONTEST_WORD.findall(text))


def jieba(text: str) -> Words:
    numbers = word_of_each_character(text)
    words: list[str] = []
    number_before, begin = None, 0
    for unit in units_by_script(text):
        if numbers[begin] == number_before:
            words[-1] += unit
        else:
            words.append(unit)
        begin += len(unit)
        number_before = numbers[begin - 1]
    return tuple(word for word in words if not word.isspace())


def whitespace(text: str) -> Words:
    return tuple(text.split())


RULES: dict[str, Callable[[str], Words]] = {
    "characters": characters,
    "contest": contest,
    "jieba": jieba,
    "whitespace": whitespace,
    "script": words_by_script,
}
DEFAULT_RULE = "script"


def split_words(text: str, rule: str) -> Words:
    """The words of a text by a rule of RULES. A text of nothing but white space is one word, an empty one has none."""
    return RULES[rule](text) or ((text,) if text else ())
