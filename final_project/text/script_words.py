"""Words by script: the one rule by which a text without given words is taken apart, wherever it is explained.

A character is a word in scripts that are written without blanks (Chinese characters, kana, Thai, Lao, Khmer, Burmese).
Elsewhere a word is a run of letters and digits: Latin, Cyrillic, Hangul, Arabic and all others; an apostrophe between
letters belongs to it. Any other character (punctuation, signs, emoji) is a word. No word cuts a grapheme cluster, and
blanks belong to none.
"""

from __future__ import annotations

import regex

WITHOUT_BLANKS = r"\p{scx=Han}\p{scx=Hiragana}\p{scx=Katakana}\p{scx=Bopomofo}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
LETTERS = rf"[\p{{L}}--[{WITHOUT_BLANKS}]]"
LETTERS_AND_DIGITS = rf"[[\p{{L}}\p{{Nd}}]--[{WITHOUT_BLANKS}]]"
# a run of clusters that begin with a letter or digit; one cluster of anything else, white space too
UNIT = regex.compile(
    rf"(?V1)(?:(?={LETTERS_AND_DIGITS})\X)+(?:['’](?={LETTERS})(?:(?={LETTERS_AND_DIGITS})\X)+)*|\X", regex.DOTALL
)


def units_by_script(text: str) -> list[str]:
    """The words of a text, and the white space between them: they join to the text."""
    return UNIT.findall(text)


def words_by_script(text: str) -> tuple[str, ...]:
    """The words of a text, in order. They join to the text, white space aside; a blank text has none."""
    return tuple(unit for unit in units_by_script(text) if not unit.isspace())
