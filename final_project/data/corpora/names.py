"""The names under which corpora give their sentences and labels, in headers and as JSON keys."""

from __future__ import annotations

# line, first sentence, second sentence, label as it stands there; None where the file has no labels
RawRow = tuple[int, str, str, "str | None"]

SENTENCE1 = ("sentence1", "text_a", "text1", "query1", "question1", "q1", "source")
SENTENCE2 = ("sentence2", "text_b", "text2", "query2", "question2", "q2", "target")
LABEL = ("label", "gold_label", "labelA", "labelB")


def place_of(known: tuple[str, ...], names: list[str]) -> int | None:
    """Where one of the known names stands among lower-case names."""
    lower = {name.lower() for name in known}
    return next((place for place, name in enumerate(names) if name in lower), None)
