"""One way to load weights of transformers: refused in one sentence, and without the library's report of them. What it
would call missing is for the caller to judge; what it calls unexpected are this project's own parts (own_parts.py)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transformers import PreTrainedModel
from transformers.utils import logging

from final_project.errors import ArtifactError, first_line


def load_weights(auto_class: Any, place: str | Path, **options: Any) -> tuple[PreTrainedModel, set[str]]:
    """(model, names of its weights that the place lacks), from a folder unless the options allow more.

    auto_class: one of transformers' Auto classes, whose from_pretrained takes the options. Raises ArtifactError.
    """
    options = {"local_files_only": True, "ignore_mismatched_sizes": True, **options}  # judged below, in a sentence
    try:
        with without_report():
            model, report = auto_class.from_pretrained(str(place), output_loading_info=True, **options)
    except Exception as error:  # whatever missing or damaged weights or a foreign config make the library raise
        raise ArtifactError(f"{place}: the model cannot be loaded: {first_line(error)}") from error
    if report["mismatched_keys"]:
        name, found, expected = min(report["mismatched_keys"])
        raise ArtifactError(f"{place}: {name} has the shape {[*found]} in the weights and {[*expected]} by config.json")
    return model, set(report["missing_keys"])


@contextlib.contextmanager
def without_report() -> Iterator[None]:
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)
