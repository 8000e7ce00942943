"""`augment`: add the pairs that labelled pairs imply."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

from final_project.cli import print_json
from final_project.commands.reading_options import add_reading_arguments, how_from
from final_project.data.files.tables import read_and_log_pairs, write_pairs_csv
from final_project.data.implied_pairs import augment_pairs

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--input", type=Path, required=True, help="labelled pairs, in any form")
    parser.add_argument("--output", type=Path, required=True, help="CSV to write")
    add_reading_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    pairs = list(read_and_log_pairs(arguments.input, labelled=True, how=how_from(arguments)))
    augmented = list(augment_pairs(pairs))
    write_pairs_csv(arguments.output, augmented)
    n_positive = sum(pair.label == 1 for pair in augmented)
    log.info(
        "augment: wrote %s: %d rows from %d, %d positive", arguments.output, len(augmented), len(pairs), n_positive
    )
    print_json({"rows_in": len(pairs), "rows": len(augmented), "positive": n_positive, "output": str(arguments.output)})
