"""`validate`: check a submission against its pairs, or one of scores against a sample."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from final_project.cli import print_json
from final_project.commands.reading_options import add_reading_arguments, how_from
from final_project.data.files.score_submission import validate_scores
from final_project.prepare.rows_to_explain import read_explained

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    against = parser.add_mutually_exclusive_group(required=True)
    against.add_argument("--pairs", type=Path, help="the pairs: contest JSONL, or any file of pairs")
    against.add_argument("--sample", type=Path, help="sample submission of scores")
    parser.add_argument("--submission", type=Path, required=True, help="submission, .txt or .zip; of scores .csv")
    add_reading_arguments(parser, labels=False)
    parser.add_argument("--low", type=float, default=1.0, help="lowest score, with --sample (default: 1)")
    parser.add_argument("--high", type=float, default=5.0, help="highest score, with --sample (default: 5)")


def run(arguments: argparse.Namespace) -> None:
    if arguments.sample:
        low, high = arguments.low, arguments.high
        print_json({"rows": validate_scores(arguments.submission, arguments.sample, low, high)})
        return
    from similarity_v1.rationales.submission import validate

    figures = validate(arguments.submission, read_explained(arguments.pairs, how_from(arguments)))
    if figures["rows_with_repeated_index"]:
        log.warning("%s: %d rows repeat an index", arguments.submission, figures["rows_with_repeated_index"])
    print_json(figures)
