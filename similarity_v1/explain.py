"""One explanation for a person to look at, on a terminal, and as the answer of a program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import IO, Any

from rich.console import Console
from rich.text import Text

from final_project.data.texts import why_no_text
from final_project.errors import DataError
from similarity_v1.explanation import Explanation
from similarity_v1.selection import Selection, select

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


def answer_of(found: Explanation, how: Selection) -> dict[str, Any]:
    """What programs are told, by `explain --json` and by the local page: label, probabilities, and each text's words
    with score and rank, 1 for the most important of the chosen ones and None for the others."""
    texts = []
    for words, scores in zip(found.words, found.scores, strict=True):
        ranks = {position: rank for rank, position in enumerate(select(scores, how), start=1)}
        rows = enumerate(zip(words, scores, strict=True))
        texts.append([{"text": word, "score": score, "rank": ranks.get(k)} for k, (word, score) in rows])
    return {
        "label": found.label, "label_name": found.label_name, "probability": found.probability,
        "probabilities": list(found.probabilities), "score": found.score, "outputs": list(found.outputs),
        "threshold": found.threshold, "method": found.method, "texts": texts, "truncated": found.truncated,
    }  # fmt: skip


def print_explanation(found: Explanation, how: Selection, stream: IO[str]) -> None:
    """Label, probability and words. Colours only where the stream is a terminal; elsewhere the ranking stands alone."""
    console = Console(file=stream, soft_wrap=True, highlight=False)
    console.print(Text(_verdict(found)))
    for name, words, scores in zip("AB", found.words, found.scores, strict=False):
        console.print(_shaded(name, words, scores))
        chosen = select(scores, how)
        console.print(Text("   " + " > ".join(f"{words[i]} {scores[i]:.3g}" for i in chosen), style="dim"))
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
    said = f"label {found.label} ({name}), probability {found.probability:.4f}"
    if is_pair:
        said += f", P(1) {found.probabilities[1]:.4f}"
    return said if found.threshold is None else f"{said} (label 1 from {found.threshold:.4f})"


def _shaded(name: str, words: Sequence[str], scores: Sequence[float]) -> Text:
    line = Text(f"{name}  ")
    strongest = max(map(abs, scores)) or 1.0
    for word, value in zip(words, scores, strict=True):
        share = abs(value) / strongest
        end = STRONG if value >= 0 else AGAINST
        red, green, blue = (round(w + (e - w) * share) for w, e in zip(WEAK, end, strict=True))
        ink = "white" if share > 0.5 else "black"
        line.append(word, style=f"{ink} on rgb({red},{green},{blue})")
        line.append(" " if word.isascii() else "")
    return line
