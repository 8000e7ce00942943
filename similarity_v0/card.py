"""The model card of a folder: README.md with YAML front matter, as model hubs show it.

What the recipe and the corpora say is escaped, and no path of this machine is told.
"""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from importlib import metadata

import yaml

from final_project import __version__
from final_project.model.decision import Decision
from final_project.settings import Recipe

FRONT = {
    "language": ["zh"],
    "library_name": "transformers",
    "pipeline_tag": "text-classification",
    "tags": ["sentence-similarity", "chinese", "sentence-pair-classification"],
}
PACKAGES = ("torch", "transformers", "tokenizers")
LIMITS = """\
- Trained on pairs of short Chinese sentences, mostly questions; other lengths, kinds of text and languages are untried.
- It tells whether two sentences mean the same, not whether either is true.
- Pairs that differ in one character only (a number, a name, a negation) are its hardest.
- The threshold was found on the dev set; other data may want another, and probabilities there may be off."""


def model_card(
    recipe: Recipe, scores: Mapping[str, Mapping[str, float]], decision: Decision, rows: Mapping[str, int]
) -> str:
    """The card of a trained classifier. scores, rows: by split."""
    settings = recipe.similarity_v0
    facts = {
        "Run": recipe.name,
        "Base": last_part(settings.init or recipe.encoder.init),
        "Data": ", ".join([recipe.prepare.corpus, *(f"{n} pairs of {split}" for split, n in rows.items())]),
        "Head": f"pool {settings.pool}, {settings.n_outputs} output{'s' if settings.n_outputs > 1 else ''}",
        "Longest input": f"{settings.max_length} tokens, special ones included; longer pairs lose their ends",
    }
    return (
        "\n\n".join(
            [
                front_matter(),
                f"# {escaped(recipe.name or 'pair classifier')}: do two Chinese sentences mean the same?",
                "\n".join(f"- **{name}**: {escaped(value)}" for name, value in facts.items()),
                "## Scores\n\n" + score_table(scores),
                "## Decision\n\n" + decision_told(decision),
                "## How to load it\n\n" + how_to_load(recipe),
                "## Limits\n\n" + LIMITS,
                "## Versions\n\n" + versions(),
            ]
        )
        + "\n"
    )


def exported_card(form: str, decision: Decision) -> str:
    """The card of a folder that `export` has written."""
    return (
        "\n\n".join(
            [
                front_matter(**({"library_name": EXPORT_LIBRARIES[form]})),
                f"# Do two Chinese sentences mean the same? ({form})",
                "Written by `python -m similarity_v0 export` from a fine-tuned classifier.",
                "## How to load it\n\n" + EXPORT_LOADING[form],
                "## Decision\n\n" + decision_told(decision),
                "## Limits\n\n" + LIMITS,
                "## Versions\n\n" + versions(),
            ]
        )
        + "\n"
    )


def front_matter(**changes: str) -> str:
    return "---\n" + yaml.safe_dump({**FRONT, **changes}, allow_unicode=True, sort_keys=True) + "---"


def score_table(scores: Mapping[str, Mapping[str, float]]) -> str:
    names = list(dict.fromkeys(name for values in scores.values() for name in values))
    lines = ["| split | " + " | ".join(escaped(name) for name in names) + " |", "|---" * (len(names) + 1) + "|"]
    for split, values in scores.items():
        cells = [f"{values[name]:.4f}" if values.get(name) is not None else "" for name in names]
        lines.append(f"| {escaped(split)} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def decision_told(decision: Decision) -> str:
    if decision.threshold is None:
        return "The label is the class with the higher probability."
    calibrated = ", calibrated as decision.json says," if decision.calibration else ""
    return f"Label 1 (same) iff P(1){calibrated} >= {decision.threshold:.6g} (`decision.json`)."


def how_to_load(recipe: Recipe) -> str:
    """Three lines of Python, and what who loads it otherwise would miss."""
    own = python(
        "from similarity_v0 import PairClassifier",
        'model = PairClassifier.load("PATH_OF_THIS_FOLDER")',
        'probabilities, labels = model.predict([("怎么改密码", "如何修改密码")])',
    )
    if recipe.similarity_v0.pool != "cls":
        return (
            f"{own}\n\nThe pool and the last layer stand in `head.json` and `head.safetensors`, which the project "
            "reads. transformers alone loads the encoder (`AutoModel`) and loses this head: its classifiers start "
            "with a random one. `python -m similarity_v0 export --format onnx` holds all of it."
        )
    standard = python(
        "from transformers import pipeline",
        'classify = pipeline("text-classification", model="PATH_OF_THIS_FOLDER", top_k=None)',
        'classify({"text": "怎么改密码", "text_pair": "如何修改密码"})',
    )
    told = f"{own}\n\nOr with transformers alone, which gives the same probabilities but not the label:\n\n{standard}"
    if recipe.encoder.match_types:
        told += (
            "\n\nThis encoder's token types also say which tokens both sentences share. transformers alone does not "
            "compute them, and gets poorer answers."
        )
    return told


EXPORT_LIBRARIES = {
    "transformers": "transformers",
    "cross-encoder": "sentence-transformers",
    "onnx": "onnxruntime",
    "int8": "onnxruntime",
}


def python(*lines: str) -> str:
    return "\n".join(["```python", *lines, "```"])


ONNX_LOADING = python(
    "session = onnxruntime.InferenceSession('model.onnx')",
    "inputs = AutoTokenizer.from_pretrained('.')([A], [B], truncation=True, padding=True, return_tensors='np')",
    "(logits,) = session.run(['logits'], {i.name: inputs[i.name] for i in session.get_inputs()})",
) + "\n\nTwo logits: softmax. One logit: sigmoid."  # fmt: skip

EXPORT_LOADING = {
    "transformers": python(
        "from transformers import pipeline",
        'classify = pipeline("text-classification", model="PATH_OF_THIS_FOLDER", top_k=None)',
        'classify({"text": "怎么改密码", "text_pair": "如何修改密码"})',
    ),
    "cross-encoder": python(
        "from sentence_transformers import CrossEncoder",
        'model = CrossEncoder("PATH_OF_THIS_FOLDER")',
        'model.predict([("怎么改密码", "如何修改密码")])',
    )
    + "\n\n`predict` gives the probability of class 1 for each pair, not calibrated.",
    "onnx": ONNX_LOADING,
    "int8": ONNX_LOADING,
}


def versions() -> str:
    named = [("final_project", __version__), *((package, metadata.version(package)) for package in PACKAGES)]
    return ", ".join(f"{name} {version}" for name, version in named)


def last_part(place: str) -> str:
    """A model's name without the folders that it stands in here; a hub name keeps its owner."""
    parts = [part for part in re.split(r"[/\\]", place) if part]
    is_hub_name = len(parts) == 2 and not place.startswith((".", "/", "~"))
    return "/".join(parts if is_hub_name else parts[-1:])


def escaped(text: str) -> str:
    """As plain text in one line of Markdown."""
    plain = html.escape(" ".join(str(text).split()), quote=False)
    return re.sub(r"([\\`*_\[\]|#])", r"\\\1", plain)
