"""Optional cleaning of sentences, one named step for each kind of remains.

Off by default, because the original trained on the raw text. Each step is a pure function from text to text that
changes nothing when it is applied again.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Callable, Collection
from functools import cache
from html.entities import html5
from typing import Any

from final_project.data.records import Pair

# Only names of real tags: 《<书名>》 and 3<5 are text.
_TAG = re.compile(
    r"</?(?:p|br|b|i|u|a|div|span|img|font|strong|em|li|ul|ol|td|tr|table|h[1-6]|sub|sup)(?:\s[^<>]*)?/?>",
    re.IGNORECASE,
)
_ENTITY = re.compile(r"&(?:[a-zA-Z][a-zA-Z0-9]{1,30}|#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6});")
# Control characters, zero-width ones and direction marks; white space is left to the step of that name.
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u061c\u200b-\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]")
_HALF_WIDTH = {wide: wide - 0xFEE0 for wide in range(0xFF01, 0xFF5F)} | {0x3000: " "}


def apply_nfkc(text: str) -> str:
    """Unicode NFKC: one form for characters of one meaning. Ａ -> A, ， -> ",", ① -> 1, half-width ｶ -> カ."""
    return unicodedata.normalize("NFKC", text)


def narrow(text: str) -> str:
    """Full-width ASCII and the ideographic space become half-width; nothing else does, half-width katakana neither."""
    return text.translate(_HALF_WIDTH)


def drop_control(text: str) -> str:
    """Control characters, zero-width characters and direction marks are dropped."""
    return _CONTROL.sub("", text)


def decode_entities(text: str) -> str:
    """&amp; -> &, &lt; -> <, &#33; -> !, until none is left: &amp;amp; was escaped twice, and is & as well. What is no
    entity of HTML stays."""
    return _until_stable(text, lambda text: _ENTITY.sub(_decoded, text))


def _decoded(entity: re.Match[str]) -> str:
    # html.unescape would read &notit; as &not and a rest.
    is_number = entity.group()[1] == "#"
    return html.unescape(entity.group()) if is_number else html5.get(entity.group()[1:], entity.group())


def drop_tags(text: str) -> str:
    """Tags such as <p> or <br/> become a blank: they separate words where words are separated at all."""
    return _until_stable(text, lambda text: _TAG.sub(" ", text))


def simplify(text: str) -> str:
    """Traditional characters become simplified ones, in words that OpenCC knows as the word asks for: 乾燥 -> 干燥, but
    乾隆 stays."""
    return _until_stable(text, _traditional_to_simplified().convert)


@cache
def _traditional_to_simplified() -> Any:
    import opencc

    return opencc.OpenCC("t2s")


def collapse_space(text: str) -> str:
    """No white space at the ends, one blank for each run inside."""
    return " ".join(text.split())


# In the order in which they are applied. Width and control characters come first, since they can hide an entity or a
# tag; entities before tags, since &lt;p&gt; is an escaped tag; white space last, since other steps leave blanks.
STEPS: dict[str, Callable[[str], str]] = {
    "nfkc": apply_nfkc,
    "half_width": narrow,
    "control": drop_control,
    "entities": decode_entities,
    "tags": drop_tags,
    "simplified": simplify,
    "space": collapse_space,
}


class Cleaner:
    """Cleans pairs one at a time by the named steps, and counts.

    changed: by step, the rows that it changed. A sentence of
    which nothing but white space would be left stays as it was.
    """

    def __init__(self, names: Collection[str]):
        """names: keys of STEPS, in any order; raises ValueError on another."""
        self.steps = {name: STEPS[name] for name in sorted(names, key=list(STEPS).index)}
        self.changed = dict.fromkeys(self.steps, 0)

    def __call__(self, pair: Pair) -> Pair:
        sentence1, changed1 = self._clean(pair.sentence1)
        sentence2, changed2 = self._clean(pair.sentence2)
        for name in changed1 | changed2:
            self.changed[name] += 1
        return Pair(sentence1, sentence2, pair.label)

    def _clean(self, text: str) -> tuple[str, set[str]]:
        """The text after all steps, and the names of those that changed it."""
        changed = set()

        def all_steps(text: str) -> str:
            for name, step in self.steps.items():
                after = step(text)
                if after != text:
                    changed.add(name)
                text = after
            return text

        # Again until nothing changes, because a late step can leave work for an early one: &#65313; is a full-width A.
        cleaned = _until_stable(text, all_steps)
        if cleaned.strip():
            return cleaned, changed
        return text, set()


def _until_stable(text: str, step: Callable[[str], str]) -> str:
    while (after := step(text)) != text:
        text = after
    return text
