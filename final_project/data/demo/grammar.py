"""The words of the built-in pairs, read from demo_grammar.yaml, where their markup is explained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import yaml


@dataclass(frozen=True)
class Intent:
    """One thing to ask, in several wordings. `opposite` names the intent that asks the contrary, word for word."""

    name: str
    wordings: tuple[str, ...]
    opposite: str = ""


@dataclass(frozen=True)
class Domain:
    """Entities are all combinations of a word of `a` and one of `b`; directed ones differ when the two change places.

    Each list holds ten words or more: entities are dealt to the splits in rounds of five, and every word then
    occurs in at least two entities of every split.
    """

    name: str
    a: tuple[str, ...]
    b: tuple[str, ...]
    intents: tuple[Intent, ...]
    directed: bool
    numbers: tuple[str, ...]


def _domain(name: str, entry: dict) -> Domain:
    intents = tuple(
        Intent(intent, tuple(values["wordings"]), values.get("opposite", ""))
        for intent, values in entry["intents"].items()
    )
    a, b, numbers = (tuple(entry[key].split()) for key in ("a", "b", "numbers"))
    return Domain(name, a, b, intents, entry.get("directed", False), numbers)


_WORDS = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_text(encoding="utf-8"))

DOMAINS = tuple(_domain(name, entry) for name, entry in _WORDS["domains"].items())
OPENINGS, CLOSINGS, FILLERS = (tuple(_WORDS[key]) for key in ("openings", "closings", "fillers"))
NUMERALS, SYNONYMS, TYPOS = _WORDS["numerals"], _WORDS["synonyms"], _WORDS["typos"]
