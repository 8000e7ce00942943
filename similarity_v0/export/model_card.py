"""The model card of a folder: README.md with YAML front matter, as model hubs show it.

What the recipe and the corpora say is escaped, and the card names no path of this machine.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence
from importlib import metadata
from typing import Any

import yaml

from final_project import __version__
from final_project.model.decision import Decision
from final_project.settings import Recipe

FRONT = {
    "library_name": "transformers",
    "pipeline_tag": "text-classification",
    "tags": ["sentence-similarity", "sentence-pair-classification"],
}
CHINESE = {"language": ["zh"], "tags": ["sentence-similarity", "chinese", "sentence-pair-classification"]}
PACKAGES = ("torch", "transformers", "tokenizers")
KINDS = "pairs of short Chinese sentences, mostly questions"
LIMITS = """\
- Trained on {kinds}; other lengths, kinds of text and languages are untried.
- It tells whether two sentences mean the same, not whether either is true.
- Pairs that differ in one character only (a number, a name, a negation) are its hardest.
- The threshold was found on the dev set; other data may want another, and probabilities there may be off."""


def model_card(
    recipe: Recipe,
    scores: Mapping[str, Mapping[str, float]],
    decision: Decision,
    rows: Mapping[str, int],
    own: Sequence[str] = (),
    made: str = "one training",
) -> str:
    """The card of a trained classifier. scores, rows: by split. own: the encoder's parts that transformers does not
    know, as custom_embeddings says them. made: of what it became, in a few words."""
    settings = recipe.similarity_v0
    facts = {
        "Run": recipe.name,
        "Made of": made,
        "Base": last_part(settings.init or recipe.encoder.init),
        "Data": ", ".join([recipe.prepare.pairs_name, *(f"{n} pairs of {split}" for split, n in rows.items())]),
        "Head": f"pool {settings.pool}, {settings.n_outputs} output{'s' if settings.n_outputs > 1 else ''}",
        "Longest input": f"{settings.max_length} tokens, special ones included; longer pairs lose their ends",
    }
    about = "\n".join(f"- **{name}**: {escaped(value)}" for name, value in facts.items())
    tables = {"Scores": score_table(scores)} if scores else {}
    title, loading = escaped(recipe.name or "Pair classifier"), how_to_load(settings.pool, own)
    return card({}, title, about, loading, decision, tables, is_own=bool(recipe.prepare.train_file))


def exported_card(form: str, decision: Decision, check: Mapping[str, Any] | None = None) -> str:
    """The card of a folder that `export` or `soup` has written. check: what `export --check` has measured."""
    library, loading = FORMS[form]
    facts = [BATCHES[form]] if form in BATCHES else []
    facts += [describe_check(check)] if check else []
    more = {"Alone and in a batch": " ".join(facts)} if facts else {}
    return card({"library_name": library}, form, f"Written by {WRITERS.get(form, EXPORT)}.", loading, decision, more)


def describe_check(check: Mapping[str, Any]) -> str:
    """What a check has found where the same pairs were asked alone and in a batch."""
    moved = check["alone_and_in_a_batch"]
    return (
        f"Measured: of {moved['rows']} pairs {moved['labels_that_differ']} have another label alone than in a batch; "
        f"probabilities differ by at most {moved['largest_difference']:.2g}."
    )


def card(
    front: Mapping[str, str],
    title: str,
    about: str,
    loading: str,
    decision: Decision,
    more: Mapping[str, str],
    is_own: bool = False,
) -> str:
    """is_own: trained on a user's own pairs, of which neither language nor kind is known."""
    sections = {**more, "Decision": describe_decision(decision), "How to load it": loading}
    sections["Limits"] = LIMITS.format(kinds="the user's own pairs" if is_own else KINDS)
    sections["Versions"] = versions()
    sentences = "sentences" if is_own else "Chinese sentences"
    parts = [
        front_matter(**(front if is_own else {**CHINESE, **front})),
        f"# {title}: do two {sentences} mean the same?",
        about,
    ]
    return "\n\n".join([*parts, *(f"## {name}\n\n{text}" for name, text in sections.items())]) + "\n"


def front_matter(**changes: Any) -> str:
    return "---\n" + yaml.safe_dump({**FRONT, **changes}, allow_unicode=True, sort_keys=True) + "---"


def score_table(scores: Mapping[str, Mapping[str, float]]) -> str:
    names = list(dict.fromkeys(name for values in scores.values() for name in values))
    lines = ["| split | " + " | ".join(escaped(name) for name in names) + " |", "|---" * (len(names) + 1) + "|"]
    for split, values in scores.items():
        cells = [f"{values[name]:.4f}" if values.get(name) is not None else "" for name in names]
        lines.append(f"| {escaped(split)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def describe_decision(decision: Decision) -> str:
    if decision.threshold is None:
        return "The label is the class with the higher probability."
    calibrated = ", calibrated as decision.json says," if decision.calibration else ""
    return f"Label 1 (same) iff P(1){calibrated} >= {decision.threshold:.6g} (`decision.json`)."


def how_to_load(pool: str, own: Sequence[str]) -> str:
    """Three lines of Python, and what who loads it otherwise would miss."""
    if pool != "cls":
        return (
            f"{OWN}\n\nThe pool and the last layer stand in `head.json` and `head.safetensors`, which the project "
            "reads. transformers alone loads the encoder (`AutoModel`) and loses this head: its classifiers start "
            "with a random one. `python -m similarity_v0 export --format onnx` holds all of it."
        )
    if own:
        return (
            f"{OWN}\n\ntransformers alone loads this folder, too, but loses {' and '.join(own)}, without which the "
            "model may be worth nothing. `python -m similarity_v0 export --format onnx` holds all of it."
        )
    return f"{OWN}\n\nOr with transformers alone, which gives the same probabilities but not the label:\n\n{PIPELINE}"


def python(*lines: str) -> str:
    return "\n".join(["```python", *lines, "```"])


OWN = python(
    "from similarity_v0 import PairClassifier",
    'model = PairClassifier.load("PATH_OF_THIS_FOLDER")',
    'probabilities, labels = model.predict([("怎么改密码", "如何修改密码")])',
)
PIPELINE = python(
    "from transformers import pipeline",
    'classify = pipeline("text-classification", model="PATH_OF_THIS_FOLDER", top_k=None)',
    'classify({"text": "怎么改密码", "text_pair": "如何修改密码"})',
)
CROSS_ENCODER = python(
    "from sentence_transformers import CrossEncoder",
    'model = CrossEncoder("PATH_OF_THIS_FOLDER")',
    'model.predict([("怎么改密码", "如何修改密码")])',
)
ONNX = python(
    "session = onnxruntime.InferenceSession('model.onnx')",
    "inputs = AutoTokenizer.from_pretrained('.')([A], [B], truncation=True, padding=True, return_tensors='np')",
    "(logits,) = session.run(['logits'], {i.name: inputs[i.name] for i in session.get_inputs()})",
)
OF_LOGITS = "Two logits become probabilities by softmax, one by the sigmoid."

FORMS = {
    "transformers": ("transformers", PIPELINE),
    "cross-encoder": (
        "sentence-transformers",
        f"{CROSS_ENCODER}\n\n`predict` gives the probability of class 1 for each pair, not calibrated.",
    ),
    "onnx": ("onnxruntime", f"{ONNX}\n\n{OF_LOGITS}"),
    "int8": ("onnxruntime", f"{ONNX}\n\n{OF_LOGITS}"),
    "soup": ("transformers", OWN),
}
"""Form of a folder -> (the library that loads it, how)."""

BATCHES = {
    "int8": "Activations are cut to 8 bits by the range of the whole batch, so what a pair is asked beside, and its "
    "padding, move its probabilities a little, and a label near the threshold may change. Where answers must repeat, "
    "ask one pair at a time."
}
"""Form of a folder -> what a pair's answer there owes to its batch."""

EXPORT = "`python -m similarity_v0 export` from a fine-tuned classifier"
WRITERS = {"soup": "`python -m similarity_v0 soup`: the mean of several classifiers' weights"}


def versions() -> str:
    named = [("final_project", __version__), *((package, metadata.version(package)) for package in PACKAGES)]
    return ", ".join(f"{name} {version}" for name, version in named)


def last_part(place: str) -> str:
    """A model's name without the folders that it is in here; a hub name keeps its owner."""
    parts = [part for part in re.split(r"[/\\]", place) if part]
    is_hub_name = len(parts) == 2 and not place.startswith((".", "/", "~"))
    return "/".join(parts if is_hub_name else parts[-1:])


def escaped(text: str) -> str:
    """As plain text in one line of Markdown."""
    plain = html.escape(" ".join(str(text).split()), quote=False)
    return re.sub(r"([\\`*_\[\]|#])", r"\\\1", plain)
