"""What tests of texts with scores share: golden values, small files, recipes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import ROOT

from final_project.recipe import load_recipe
from final_project.settings import Recipe

SHARED = ROOT.parent / "shared"
SIX = ("cohesion", "syntax", "vocabulary", "phraseology", "grammar", "conventions")


def golden_essays(name: str) -> dict:
    """A file of golden values; the test is skipped where they are not beside the checkout."""
    path = SHARED / "golden" / "essays" / name
    if not path.is_file():
        pytest.skip(f"the golden values are not here: {path}")
    return json.loads(path.read_text(encoding="utf-8"))


def recipe_of(*overrides: str, names: tuple[str, ...] = ("a", "b")) -> Recipe:
    """The demo's recipe with scores."""
    given = f"targets={{names: [{', '.join(names)}]}}"
    return load_recipe("demo", [given, "prepare.train_file=mine.csv", *overrides])


def write_csv(path: Path, text: str) -> Path:
    path.write_bytes(text.encode("utf-8"))
    return path
