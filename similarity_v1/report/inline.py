"""One explained pair as a piece of HTML that stands alone: no script, no style sheet, nothing from outside.

For notebooks (`_repr_html_`) and wherever a page shows an explanation to readers without scripts. The colours are fixed
and readable on light and dark pages alike, since a notebook's theme is not known here.
"""

from __future__ import annotations

from html import escape
from typing import Any

from similarity_v1.explanation import Explanation
from similarity_v1.selection import Selection, select

BOX = (
    "display:inline-block;padding:1px 4px;margin:1px;border-radius:4px;white-space:pre-wrap;"
    "overflow-wrap:anywhere;max-width:100%;unicode-bidi:isolate;"
)
WORD_STYLE = f"{BOX}color:#1b2230;background:"
UNREAD_STYLE = f"{BOX}opacity:.65;border-bottom:1px dashed"  # the page's own colours: light or dark is not known
CHOSEN_STYLE = ";box-shadow:inset 0 -2px #1b2230"
WEAK, STRONG, AGAINST = (238, 241, 244), (98, 162, 212), (232, 160, 100)


def explanation_html(explanation: Explanation, how: Selection | None = None) -> str:
    """Label, how sure the model is, and each text with its words shaded by score, those that `how` chooses
    underlined."""
    lines = [
        "<div style=\"font:15px/1.7 system-ui,'PingFang SC','Noto Sans CJK SC',sans-serif;max-width:60em\">",
        f"<div><strong>{escape(_verdict(explanation))}</strong> · {escape(explanation.method.replace('_', ' '))}</div>",
    ]
    lines += [_sentence(explanation, side, how) for side in range(len(explanation.words))]
    if explanation.truncated:
        lines.append("<div><em>cut: too long for the model</em></div>")
    if any(explanation.unread):
        lines.append(f'<div><span style="{UNREAD_STYLE}">words</span>: not read by the model</div>')
    return "".join([*lines, "</div>"])


def explanation_record(explanation: Explanation, how: Selection) -> dict[str, Any]:
    """The same for pair_view.js, with the words that `how` chooses. `name`: of the label."""
    return {
        "label": explanation.label,
        "name": explanation.label_name,
        "probability": explanation.probability,
        "probabilities": explanation.probabilities,
        "score": explanation.score,
        "threshold": explanation.threshold,
        "words": explanation.words,
        "scores": {explanation.method: explanation.scores},
        "chosen": {
            "chosen": [
                select(scores, how, unread)
                for scores, unread in zip(explanation.scores, explanation.unread, strict=False)
            ]
        },
        "truncated": explanation.truncated,
        "unread": explanation.unread,
        "blanks": [explanation.blanks(side) for side in range(len(explanation.words))],
    }


def _verdict(explanation: Explanation) -> str:
    if explanation.label is None:
        name = "" if len(explanation.outputs) < 2 else f" of {explanation.label_name}"
        return f"score{name} {explanation.score:.4g}"
    said = f"{explanation.label_name}, probability {explanation.probability:.4f}"
    if explanation.threshold is None:
        return said
    if len(explanation.probabilities) == 2:
        positive = explanation.probabilities[1]
        said += f", P(1) {positive:.4f} {'≥' if positive >= explanation.threshold else '<'} threshold"
    return f"{said} (label 1 where P(1) is at least {explanation.threshold:.4f})"


def _sentence(explanation: Explanation, side: int, how: Selection | None) -> str:
    words, scores, unread = explanation.words[side], explanation.scores[side], set(explanation.unread[side])
    chosen = set() if how is None else set(select(scores, how, unread))
    blanks = set(explanation.blanks(side))
    strongest = max(map(abs, scores), default=0.0) or 1.0
    spans = []
    for place, (word, score) in enumerate(zip(words, scores, strict=True)):
        style = f"{WORD_STYLE}{_colour(score / strongest)}{CHOSEN_STYLE if place in chosen else ''}"
        style, title = (UNREAD_STYLE, "not read") if place in unread else (style, f"{score:.4g}")
        spans.append(f'<span style="{style}" title="{title}">{escape(word)}</span>{" " if place in blanks else ""}')
    return f"<div>{''.join(spans)}</div>"


def _colour(shade: float) -> str:
    """-1 to 1 as a colour on which the dark ink is read: orange against, blue for."""
    end = STRONG if shade >= 0 else AGAINST
    mixed = (round(weak + abs(shade) * (strong - weak)) for weak, strong in zip(WEAK, end, strict=True))
    return f"rgb({','.join(map(str, mixed))})"
