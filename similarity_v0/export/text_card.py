"""The model card of a scorer or a labeller of single texts; that of a pair classifier is model_card.py's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from final_project.model.decision import Decision
from final_project.settings import Recipe
from similarity_v0.export.model_card import escaped, front_matter, last_part, model_card, python, score_table, versions

SCORER = python(
    "from similarity_v0 import TextScorer",
    'model = TextScorer.load("PATH_OF_THIS_FOLDER")',
    'scores = model.predict(["One text.", "Another text."])  # scores.values: one row a text, one column a name',
)
PIPELINE = python(
    "from transformers import pipeline",
    'score = pipeline("text-classification", model="PATH_OF_THIS_FOLDER", top_k=None, function_to_apply="none")',
    'score("One text.")',
)
CLASSIFIER = python(
    "from transformers import pipeline",
    'classify = pipeline("text-classification", model="PATH_OF_THIS_FOLDER")',
    'classify("One text.")',
)
LIMITS = """\
- Trained on the texts of one task; other tasks, lengths and languages are untried.
- A text longer than the longest input loses its end.
- Scores are drawn towards the middle of the scale: very good and very bad texts are told apart least.
- Not for grading people without a person who reads the text."""


def card_of(
    recipe: Recipe, scores: Mapping[str, Mapping[str, float]], rule: Any, rows: Mapping[str, int],
    own: Sequence[str] = (),
) -> str:  # fmt: skip
    """The card of a trained model, of whatever its rows are. See model_card."""
    if isinstance(rule, Decision):
        return model_card(recipe, scores, rule, rows, own)
    settings, targets = recipe.similarity_v0, recipe.targets
    names = ", ".join(rule.names)
    what = f"{targets.low:g} to {targets.high:g}: {names}" if targets.kind == "scores" else names
    facts = {
        "Run": recipe.name,
        "Base": last_part(settings.init or recipe.encoder.init),
        "Data": ", ".join(f"{n} texts of {split}" for split, n in rows.items()),
        "Answers": what,
        "Head": f"pool {settings.pool}",
        "Longest input": f"{settings.max_length} tokens, special ones included; longer texts lose their ends",
    }
    about = "\n".join(f"- **{name}**: {escaped(value)}" for name, value in facts.items())
    alone = f"Or with transformers alone:\n\n{PIPELINE}" if settings.pool == "cls" and not own else ""
    sections = {
        **({"Scores": score_table(scores)} if scores else {}),
        "How to load it": f"{SCORER}\n\n{alone}".strip() if targets.kind == "scores" else CLASSIFIER,
        "Limits": LIMITS,
        "Versions": versions(),
    }
    title = f"# {escaped(recipe.name)}: scores of texts" if targets.kind == "scores" else f"# {escaped(recipe.name)}"
    front = front_matter(tags=["text-regression" if targets.kind == "scores" else "text-classification"])
    return "\n\n".join([front, title, about, *(f"## {name}\n\n{text}" for name, text in sections.items())]) + "\n"
