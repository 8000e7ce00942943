"""One explained pair as a piece of HTML that stands alone: no script, no style sheet, nothing from outside.

For notebooks (`_repr_html_`) and wherever a page shows an explanation to readers without scripts. The colours are fixed
and readable on light and dark pages alike, since a notebook's theme is not known here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from similarity_v1.report.texts import LABELS

WORD_STYLE = (
    "display:inline-block;padding:1px 4px;margin:1px;border-radius:4px;color:#1b2230;white-space:pre-wrap;"
    "overflow-wrap:anywhere;max-width:100%;unicode-bidi:isolate;background:"
)
WEAK, STRONG, AGAINST = (238, 241, 244), (98, 162, 212), (232, 160, 100)


def record_html(record: Mapping[str, Any]) -> str:
    """A record of the list (see listing.py) as HTML: label, P(1), and each sentence shaded by the first method."""
    method, scores = next(iter(record["scores"].items()))
    label = record["label"]
    method = escape(method.replace("_", " "))
    lines = [
        "<div style=\"font:15px/1.7 system-ui,'PingFang SC','Noto Sans CJK SC',sans-serif;max-width:60em\">",
        f"<div><b>label {label}</b> ({LABELS[label].en}) · P(1) {record['p']:.4f} · {method}</div>",
    ]
    lines += [_sentence(words, side) for words, side in zip(record["words"], scores, strict=True)]
    return "".join([*lines, "</div>"])


def _sentence(words: Sequence[str], scores: Sequence[float]) -> str:
    strongest = max(map(abs, scores), default=0.0) or 1.0
    spans = [
        f'<span style="{WORD_STYLE}{_colour(score / strongest)}" title="{score:.4g}">{escape(word)}</span>'
        for word, score in zip(words, scores, strict=True)
    ]
    return f"<div>{''.join(spans)}</div>"


def _colour(shade: float) -> str:
    """-1 to 1 as a colour on which the dark ink is read: orange against, blue for."""
    end = STRONG if shade >= 0 else AGAINST
    mixed = (round(weak + abs(shade) * (strong - weak)) for weak, strong in zip(WEAK, end, strict=True))
    return f"rgb({','.join(map(str, mixed))})"
