"""Optional cleaning of sentences: HTML remains, control characters, white space.

Off by default, because the original trained on the raw text. Each step is a function from text to text; `clean_pairs`
applies them in order and counts the rows that each has changed.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterable
from dataclasses import replace

from final_project.data.pairs import Pair

# Only names of real tags: 《<书名>》 and 3<5 are text.
_TAG = re.compile(
    r"</?(?:p|br|b|i|u|a|div|span|img|font|strong|em|li|ul|ol|td|tr|table|h[1-6]|sub|sup)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"&(?:[a-zA-Z]{2,8}|#\d{1,6}|#x[0-9a-fA-F]{1,5});")
# Control characters, zero-width ones and direction marks; white space is left to collapse_space.
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u200b-\u200f\u202a-\u202e\u2060\ufeff]")


def drop_tags(text: str) -> str:
    """Tags such as <p> or <br/> become a blank: they separate words where words are separated at all."""
    return _TAG.sub(" ", text)


def decode_entities(text: str) -> str:
    """&amp; -> &, &lt; -> <, &nbsp; -> a blank, and so on; what is not an entity stays."""
    return _ENTITY.sub(lambda match: html.unescape(match.group()), text)


def drop_control(text: str) -> str:
    return _CONTROL.sub("", text)


def collapse_space(text: str) -> str:
    """No white space at the ends, one blank for each run inside."""
    return " ".join(text.split())


STEPS: tuple[Callable[[str], str], ...] = (drop_tags, decode_entities, drop_control, collapse_space)


def clean_text(text: str) -> str:
    """All steps in order; a text that would vanish is kept as it was, since a sentence must not become empty."""
    cleaned = text
    for step in STEPS:
        cleaned = step(cleaned)
    return cleaned or text


def clean_pairs(pairs: Iterable[Pair]) -> tuple[list[Pair], dict[str, int]]:
    """The pairs cleaned, and per step the number of rows it changed. Rows are neither dropped nor reordered."""
    changed = {step.__name__: 0 for step in STEPS}
    cleaned = []
    for pair in pairs:
        sides = [pair.sentence1, pair.sentence2]
        for step in STEPS:
            after = [step(side) for side in sides]
            changed[step.__name__] += after != sides
            sides = after
        cleaned.append(replace(pair, sentence1=sides[0] or pair.sentence1, sentence2=sides[1] or pair.sentence2))
    return cleaned, changed
