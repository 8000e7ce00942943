"""`--columns` and `--label-rules`: how a command reads a user's own file, shared by every command that reads rows."""

from __future__ import annotations

import argparse
from typing import Any

from pydantic import ValidationError

from final_project.data.files.how_to_read import HowToRead
from final_project.errors import RecipeError
from final_project.settings.reading import Labels, column_conflicts


def add_reading_arguments(parser: argparse.ArgumentParser, labels: bool = True) -> None:
    """`--columns` and, where the command reads labels, `--label-rules`."""
    parser.add_argument(
        "--columns", metavar="PART=NAME,...",
        help="columns of the file where their names do not say: sentence1=A,sentence2=B,label=C (or numbers from 1 "
        "where it has no header)",
    )  # fmt: skip
    if labels:
        parser.add_argument(
            "--label-rules", metavar="RULE,...",
            help="what its labels mean where they do not say: positive=yes,positive=maybe,negative=no,left_out=- "
            "or cut=0.5",
        )  # fmt: skip


def how_from(arguments: argparse.Namespace) -> HowToRead:
    """The options as they were given. Raises RecipeError that lists all that is wrong with them."""
    problems: list[str] = []
    columns = dict(_parts("--columns", arguments.columns, problems))
    problems += [f"--{problem}" for problem in column_conflicts(columns)]
    rules: dict[str, Any] = {}
    for key, value in _parts("--label-rules", getattr(arguments, "label_rules", None), problems):
        if key == "cut":
            rules["cut"] = _number(value, problems)
        elif key in ("positive", "negative", "left_out"):
            rules.setdefault(key, []).append(value)
        else:
            problems.append(f"--label-rules: no rule {key!r}; there are positive, negative, left_out, cut")
    labels = Labels()
    try:
        labels = Labels(**rules)
    except ValidationError as error:
        problems += [f"--label-rules: {one['msg'].removeprefix('Value error, ')}" for one in error.errors()]
    if problems:
        raise RecipeError(problems)
    return HowToRead(columns, labels)


def _parts(option: str, text: str | None, problems: list[str]) -> list[tuple[str, str]]:
    parts = [part.partition("=") for part in (text or "").split(",") if text]
    problems += [f"{option}: expected NAME=VALUE, found {key!r}" for key, equals, _ in parts if not equals]
    return [(key.strip(), value.strip()) for key, equals, value in parts if equals]


def _number(text: str, problems: list[str]) -> float | None:
    try:
        return float(text)
    except ValueError:
        problems.append(f"--label-rules: cut: expected a number, found {text!r}")
        return None
