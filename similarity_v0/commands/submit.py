"""The `submit` command: predicted scores in the form of a contest's sample submission."""

from __future__ import annotations

import argparse
from pathlib import Path

from final_project.cli import print_json
from final_project.data.files.score_submission import validate_scores, write_submission
from final_project.settings import Targets

LOW, HIGH = (Targets.model_fields[name].default for name in ("low", "high"))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--predictions", type=Path, required=True, help="CSV that predict has written: id and scores")
    parser.add_argument("--sample", type=Path, required=True, help="the contest's sample_submission.csv")
    parser.add_argument("--output", type=Path, required=True, help="CSV to write")
    parser.add_argument("--low", type=float, default=LOW, help=f"lowest score (default: {LOW:g})")
    parser.add_argument("--high", type=float, default=HIGH, help=f"highest score (default: {HIGH:g})")


def run(arguments: argparse.Namespace) -> None:
    write_submission(arguments.predictions, arguments.sample, arguments.output, arguments.low, arguments.high)
    rows = validate_scores(arguments.output, arguments.sample, arguments.low, arguments.high)
    print_json({"rows": rows})
