"""`stats`: figures about files of pairs."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from final_project.cli import print_json
from final_project.commands.reading_options import add_reading_arguments, how_from
from final_project.data.files.tables import read_and_log_pairs
from final_project.data.quality.fingerprints import fingerprints
from final_project.data.quality.statistics import describe, overlaps, statistics_table


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--input", type=Path, required=True, action="append", help="pairs; may be given several times")
    add_reading_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    how = how_from(arguments)
    sets = {str(path): fingerprints(read_and_log_pairs(path, how=how)) for path in arguments.input}
    facts = {name: describe(prints) for name, prints in sets.items()}
    between = overlaps(sets)
    print(statistics_table(facts, between), file=sys.stderr)
    # One file answers with its own figures, several with one entry each.
    if len(facts) == 1:
        print_json(next(iter(facts.values())))
    else:
        print_json({"sets": facts, "overlaps": between})
