"""One explanation for a person to look at, on a terminal, and as the answer of a program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Any

from rich.console import Console
from rich.text import Text

from final_project.data.texts import why_no_text
from final_project.errors import DataError
from similarity_v1.explain.explanation import Explanation
from similarity_v1.rationales.selection import Selection, select

MEANING = {1: "same meaning", 0: "different meaning"}
WEAK, STRONG, AGAINST = (236, 242, 248), (9, 105, 178), (180, 90, 20)


def require_texts(*texts: str) -> None:
    """Raises DataError where one of TEXT_A, TEXT_B is empty or no text."""
    for name, text in zip(("TEXT_A", "TEXT_B"), texts, strict=False):
        if fault := why_no_text(text):
            raise DataError(name, f"the sentence {fault}")


def require_number_of_texts(texts: Sequence[str], n_read: int | None, second: str) -> None:
    """Raises DataError where there are fewer or more texts than the model reads. n_read: None where that is not known.
    second: what the caller calls the second text."""
    if n_read is None or len(texts) == n_read:
        return
    missing, surplus = (
        "this model compares two texts, and the second is missing",
        "this model reads one text, no second",
    )
    raise DataError(second, missing if len(texts) < n_read else surplus)


def explanation_json(found: Explanation, how: Selection) -> dict[str, Any]:
    """What programs get from `explain --json` and by the local page: label, probabilities, and each text's words
    with score and rank, 1 for the most important of the chosen ones and None for the others; whether the model read the
    word, and whether a blank follows it in the text."""
    texts = []
    for side, (words, scores) in enumerate(zip(found.words, found.scores, strict=True)):
        unread, blanks = set(found.unread[side]), set(found.blanks(side))
        ranks = {position: rank for rank, position in enumerate(select(scores, how, unread), start=1)}
        texts.append(
            [
                {"text": word, "score": score, "rank": ranks.get(k), "read": k not in unread, "blank": k in blanks}
                for k, (word, score) in enumerate(zip(words, scores, strict=True))
            ]
        )
    return {
        "label": found.label, "label_name": found.label_name, "probability": found.probability,
        "probabilities": list(found.probabilities), "score": found.score, "outputs": list(found.outputs),
        "threshold": found.threshold, "method": found.method, "texts": texts, "truncated": found.truncated,
    }  # fmt: skip


def print_explanation(found: Explanation, how: Selection, stream: IO[str]) -> None:
    """Label, probability and words. Colours only on a terminal; elsewhere only the ranking is printed."""
    console = Console(file=stream, soft_wrap=True, highlight=False)
    console.print(Text(_verdict(found)))
    for side, (name, words, scores) in enumerate(zip("AB", found.words, found.scores, strict=False)):
        unread = found.unread[side]
        console.print(_shaded(name, words, scores, unread, found.blanks(side)))
        chosen = select(scores, how, unread)
        console.print(Text("   " + " > ".join(f"{words[i]} {scores[i]:.3g}" for i in chosen), style="dim"))
        if unread:
            console.print(Text(f"   {len(unread)} of {len(words)} words not read by the model: {_ends(words, unread)}"))
    if found.completeness_error is not None:
        taken = "" if found.steps is None else f" after {found.steps} steps"
        console.print(Text(f"completeness error {found.completeness_error:.2g}{taken}", style="dim"))


def _verdict(found: Explanation) -> str:
    if found.label is None:
        if len(found.outputs) < 2:
            return f"score {found.score:.4g}"
        outputs = ", ".join(f"{output:.4g}" for output in found.outputs)
        return f"score of {found.label_name} {found.score:.4g} (all outputs: {outputs})"
    is_pair = len(found.texts) == len(found.probabilities) == 2
    name = MEANING[found.label] if is_pair else found.label_name
    verdict = f"label {found.label} ({name}), probability {found.probability:.4f}"
    if len(found.probabilities) == 2 and (is_pair or found.threshold is not None):
        verdict += f", P(1) {found.probabilities[1]:.4f}"
    if found.threshold is None:
        return verdict
    if len(found.probabilities) == 2:
        verdict += f" {'≥' if found.probabilities[1] >= found.threshold else '<'} threshold"
    return f"{verdict} (label 1 from {found.threshold:.4f})"


def _ends(words: Sequence[str], places: Sequence[int]) -> str:
    """The first and the last of some words."""
    return " … ".join(words[place] for place in dict.fromkeys((places[0], places[-1])))


def _shaded(
    name: str, words: Sequence[str], scores: Sequence[float], unread: Sequence[int], blanks: Sequence[int]
) -> Text:
    line = Text(f"{name}  ")
    strongest = max(map(abs, scores)) or 1.0
    not_read, before_blank = set(unread), set(blanks)
    for place, (word, value) in enumerate(zip(words, scores, strict=True)):
        share = abs(value) / strongest
        end = STRONG if value >= 0 else AGAINST
        red, green, blue = (round(w + (e - w) * share) for w, e in zip(WEAK, end, strict=True))
        ink = "white" if share > 0.5 else "black"
        line.append(word, style="dim strike" if place in not_read else f"{ink} on rgb({red},{green},{blue})")
        line.append(" " if place in before_blank else "")
    return line
