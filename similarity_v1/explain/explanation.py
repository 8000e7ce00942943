"""What an explanation is: the model's answer for one row and a score for each word, and how it shows itself in HTML.

The HTML is self-contained, without script or style sheet, for notebooks and readers without scripts. Its colours are
fixed and readable on light and dark pages alike, since a notebook's theme is not known here.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Any

from similarity_v1.explain.alignment import blanks_after
from similarity_v1.rationales.selection import Selection, ranked, select

BOX = (
    "display:inline-block;padding:1px 4px;margin:1px;border-radius:4px;white-space:pre-wrap;"
    "overflow-wrap:anywhere;max-width:100%;unicode-bidi:isolate;"
)
WORD_STYLE = f"{BOX}color:#1b2230;background:"
UNREAD_STYLE = f"{BOX}opacity:.65;border-bottom:1px dashed"  # the page's own colours: light or dark is not known
CHOSEN_STYLE = ";box-shadow:inset 0 -2px #1b2230"
WEAK, STRONG, AGAINST = (238, 241, 244), (98, 162, 212), (232, 160, 100)


@dataclass(frozen=True)
class Explanation:
    """texts: one or two. words, scores: per text, one finite score a word; words that were not read score 0.

    label: the decided class, with its name and probability; None where the model gives scores. `score` is then the one
    that is explained (raw, before any activation), or the difference that is, `label_name` its name, and `outputs` are
    the scores of all outputs, in their order. probabilities: of all classes, empty for a score.
    threshold: label 1 where P(1) is at least this; None where the most probable class is the label.
    target: `predicted`, `both` or the class that was asked about, as the Explainer had it.
    completeness_error: |sum over all tokens - (F(text) - F(baseline))| where the method promises such a sum, else None.
    steps: how many gradients were taken for this row, where the method decides that, else None.
    truncated: whether the model could not read all of the texts.
    unread: per text the positions of the words that the model did not read, since they were cut off.
    """

    texts: tuple[str, ...]
    words: tuple[tuple[str, ...], ...]
    scores: tuple[tuple[float, ...], ...]
    label: int | None
    label_name: str
    probability: float | None
    probabilities: tuple[float, ...]
    score: float | None
    threshold: float | None
    method: str
    target: str | int
    completeness_error: float | None
    steps: int | None
    truncated: bool
    outputs: tuple[float, ...] = ()
    unread: tuple[tuple[int, ...], ...] = ((), ())

    def ranked(self, side: int) -> tuple[int, ...]:
        """Positions of a text's words from 0, most important first; ties go to the lower position. Words that were not
        read have no rank, unless none was."""
        return ranked(self.scores[side], self.unread[side])

    def blanks(self, side: int) -> tuple[int, ...]:
        """Positions of a text's words that white space follows."""
        return blanks_after(self.texts[side], self.words[side])

    def _repr_html_(self) -> str:
        """What a notebook shows."""
        return explanation_html(self)


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
    verdict = f"{explanation.label_name}, probability {explanation.probability:.4f}"
    if explanation.threshold is None:
        return verdict
    if len(explanation.probabilities) == 2:
        positive = explanation.probabilities[1]
        verdict += f", P(1) {positive:.4f} {'≥' if positive >= explanation.threshold else '<'} threshold"
    return f"{verdict} (label 1 where P(1) is at least {explanation.threshold:.4f})"


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
