"""`validate`: check a submission, text or zip, against its pairs."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from final_project.cli import print_json
from final_project.commands.reading_options import how_from
from final_project.prepare.rows_to_explain import read_explained
from similarity_v1.commands.options import add_pairs_argument

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_pairs_argument(parser)
    parser.add_argument("--submission", type=Path, required=True, help="submission, .txt or .zip")


def run(arguments: argparse.Namespace) -> None:
    from similarity_v1.rationales.submission import validate

    figures = validate(arguments.submission, read_explained(arguments.pairs, how_from(arguments)))
    if figures["rows_with_repeated_index"]:
        log.warning("%s: %d rows repeat an index", arguments.submission, figures["rows_with_repeated_index"])
    print_json(figures)
