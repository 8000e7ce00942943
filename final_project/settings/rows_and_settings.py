"""Which settings go with which kind of rows: their defaults, and what is refused.

A recipe is Any here: its class is made of the sections, and asks this module.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from final_project.settings.targets import BUILT_IN_SCORES, Kind

Names = dict[str, tuple[str, ...]]
"""Settings of sections."""

DEFAULTS: dict[Kind, dict[str, dict[str, Any]]] = {
    "pairs": {},
    "scores": {
        "similarity_v0": {"loss": "smooth_l1", "best_by": "mcrmse"},
        "similarity_v1": {"target": "all", "reduce": "sum"},
        "posttrain": {"text_form": "sentence"},
    },
    "labels": {"posttrain": {"text_form": "sentence"}},
}
"""Defaults that differ from those of pairs, filled in where a recipe does not say otherwise."""

CHOICES: dict[str, dict[Kind, tuple[str, ...]]] = {
    "loss": {
        "pairs": ("ce", "focal", "bce"),
        "scores": ("smooth_l1", "mse", "l1", "mcrmse"),
        "labels": ("ce", "focal", "bce"),
    },
    "best_by": {
        "pairs": ("accuracy", "f1", "mcc", "loss"),
        "scores": ("mcrmse", "mae", "pearson", "qwk", "loss"),
        "labels": ("accuracy", "macro_f1", "loss"),
    },
}
"""Values of a setting of similarity_v0 that go with each kind of rows."""

OF_PAIRS: Names = {
    "prepare": (
        *("columns", "labels", "contest_set", "explain_file", "augment", "clean", "near_duplicates", "text_corpora"),
        "text_files",
    ),
    "encoder": ("match_types",),
    "similarity_v0": (
        *("n_outputs", "pair_weights", "threshold", "threshold_metric", "false_positive_cost", "false_negative_cost"),
        *("logit_margin", "calibration", "ensemble", "ensemble_cut", "fold_model"),
    ),
    "similarity_v1": ("chain", "clean_order"),
}
OF_TEXTS: Names = {"prepare": ("id_column", "text_column", "group_column", "label_column")}
OF_SCORES: Names = {
    "prepare": ("target_columns", "scores_unknown"),
    "similarity_v0": ("smooth_l1_beta", "target_scale"),
}
OF_CLASSES: Names = {"similarity_v0": ("label_smoothing", "focal_gamma", "class_weights")}
OF_LABELS: Names = {"prepare": ("label_column",)}


def with_defaults_of_rows(values: Any) -> Any:
    """A recipe's values with the defaults of its kind of rows. values: as a YAML file gives them, unchecked."""
    if not isinstance(values, dict) or not isinstance(targets := values.get("targets"), dict):
        return values
    kind = targets.get("kind", "scores")
    if kind not in DEFAULTS or (kind == "scores" and not targets.get("names")):
        return values
    filled = dict(values)
    for section, defaults in DEFAULTS[kind].items():
        if isinstance(given := filled.get(section, {}), dict):
            filled[section] = {**defaults, **given}
    return filled


def conflicts_with_rows(recipe: Any) -> Iterator[str]:
    """One message for each setting that does not go with the kind of rows that `targets` says."""
    kind = recipe.targets.rows
    if kind == "pairs":
        yield from _not_at_default(recipe, (OF_TEXTS, OF_SCORES), "targets.names: [] (pairs)")
    else:
        named = f"targets.kind: {kind}"
        other: tuple[Names, ...] = (OF_PAIRS, OF_CLASSES, OF_LABELS) if kind == "scores" else (OF_PAIRS, OF_SCORES)
        yield from _not_at_default(recipe, other, named)
        if recipe.prepare.corpus != "demo":
            yield f"prepare.corpus: {recipe.prepare.corpus} is a corpus of pairs, and {named} needs texts: name files"
        elif kind == "labels" and not recipe.prepare.train_file:
            yield f"prepare.train_file: is empty, and {named} has no built-in texts: name a file"
        elif not recipe.prepare.train_file and (foreign := set(recipe.targets.names) - {*BUILT_IN_SCORES}):
            known = ", ".join(BUILT_IN_SCORES)
            yield f"targets.names: {min(foreign)} is no score of the built-in essays ({known}): name prepare.train_file"
    for name, choices in CHOICES.items():
        if (value := getattr(recipe.similarity_v0, name)) not in choices[kind]:
            rows = "rows that are pairs" if kind == "pairs" else f"targets.kind: {kind}"
            yield f"similarity_v0.{name}: {value} does not go with {rows}; use {' or '.join(choices[kind])}"
    yield from _target_conflicts(recipe, kind)


def _target_conflicts(recipe: Any, kind: Kind) -> Iterator[str]:
    target, names = recipe.similarity_v1.target, recipe.targets.names
    if kind == "scores":
        if target in ("predicted", "both") or (isinstance(target, str) and target not in ("all", *names)):
            yield f"similarity_v1.target: {target} is none of the scores; use all or {' or '.join(names)}"
        elif isinstance(target, int) and target >= len(names):
            yield f"similarity_v1.target: {target} is none of the {len(names)} scores, which count from 0"
    elif isinstance(target, str) and target not in ("predicted", "both"):
        yield f"similarity_v1.target: {target} is neither predicted nor both nor the number of a class"


def _not_at_default(recipe: Any, tables: tuple[Names, ...], rows: str) -> Iterator[str]:
    for table in tables:
        for section, names in table.items():
            part = getattr(recipe, section)
            for name in names:
                if (value := getattr(part, name)) != type(part).model_fields[name].default:
                    yield f"{section}.{name}: {value} does not go with {rows}; leave it out"
