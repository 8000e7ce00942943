"""What several commands share: the stage's settings as options, and the answer with its time."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from types import NoneType
from typing import Any, get_args

from pydantic import ValidationError

from final_project.cli import print_json
from final_project.commands.reading_options import add_reading_arguments
from final_project.errors import RecipeError
from final_project.settings import SimilarityV1


def _target(text: str) -> str | int:
    return int(text) if text.isdecimal() else text


def _argument(name: str) -> dict[str, Any]:
    """A setting as argparse has it: the words that it takes, or the type of its numbers."""
    if name == "target":
        return {"type": _target, "metavar": "{predicted,both,CLASS,SCORE}"}
    annotation = SimilarityV1.model_fields[name].annotation
    kinds = [kind for kind in get_args(annotation) or (annotation,) if kind is not NoneType]
    words = [word for kind in kinds for word in get_args(kind) or (kind,) if isinstance(word, str)]
    return {"choices": words} if words else {"type": kinds[0]}


MODEL_OPTIONS = {name: _argument(name) for name in (
    "method", "ig_steps", "ig_rule", "ig_tolerance", "baseline", "reduce", "samples", "noise", "target", "precision",
    "select", "ratio", "top_k", "score_share", "mass_share", "batch_tokens",
)}  # fmt: skip
BULK_OPTIONS = {name: _argument(name) for name in ("shard_rows", "threads")}


def add_pairs_argument(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--pairs", type=Path, required=True, help="the pairs: contest JSONL, or any file of pairs")
    add_reading_arguments(parser, labels=False)


def add_model_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, required=True, help="folder of the pair classifier")
    add_setting_arguments(parser, MODEL_OPTIONS)


def add_setting_arguments(parser: argparse.ArgumentParser, options: dict[str, dict]) -> None:
    """Settings of the stage as options; their meanings and defaults come from the recipe's settings."""
    for name, extra in options.items():
        field = SimilarityV1.model_fields[name]
        # no --method: --ig-steps > 1 selects integrated_gradients
        default = None if name == "method" else field.default
        shown = "as --ig-steps has it" if name == "method" else default
        about = field.description if shown is None else f"{field.description} (default: {shown})"
        parser.add_argument(f"--{_option_name(name)}", default=default, help=about, **extra)


def parse_settings(arguments: argparse.Namespace) -> SimilarityV1:
    """The options as settings, under the bounds that hold in a recipe; raises RecipeError naming all that are off."""
    options = {name: value for name, value in vars(arguments).items() if name in SimilarityV1.model_fields}
    if options["method"] is None:
        options["method"] = "gradient_x_input" if options["ig_steps"] == 1 else "integrated_gradients"
    try:
        return SimilarityV1(**options)
    except ValidationError as error:
        raise RecipeError([format_validation_error(dict(problem)) for problem in error.errors()]) from error


def answer(began: float, **figures: Any) -> None:
    """Print the figures as JSON, with the seconds since `began` (time.monotonic)."""
    print_json({**figures, "seconds": round(time.monotonic() - began, 3)})


def format_validation_error(problem: Mapping[str, Any]) -> str:
    message = problem["msg"].removeprefix("Value error, ")
    return (
        f"--{_option_name(str(problem['loc'][0]))}: {message}, found {problem['input']}" if problem["loc"] else message
    )


def _option_name(name: str) -> str:
    return name.replace("_", "-")
