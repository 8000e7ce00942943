"""`twins`: write a perturbed row of every pair, to measure consistency on a corpus that has none."""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path

from final_project.commands.reading_options import how_from
from similarity_v1.commands.options import add_pairs_argument, answer
from similarity_v1.evaluate.perturb import KEEPS_LABEL, KINDS

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_pairs_argument(parser)
    add = parser.add_argument
    add("--output", type=Path, required=True, help="contest JSONL of the pairs and their perturbed rows")
    add("--pair-map", type=Path, help="the pair map, for evaluate (default: OUTPUT's name with .map.jsonl)")
    add(
        "--kinds", nargs="+", choices=KINDS, default=list(KEEPS_LABEL), metavar="KIND",
        help=f"kinds of change, from {', '.join(KINDS)} (default: the first five, which keep the label)",
    )  # fmt: skip
    add("--changes", type=_count, default=2, help="most changes in each sentence (default: %(default)s)")
    add("--seed", type=int, default=2022, help="seed of the perturbed rows (default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    from similarity_v1.evaluate.perturb_files import write_perturbed

    began = time.monotonic()
    map_file = arguments.pair_map or arguments.output.with_name(f"{arguments.output.stem}.map.jsonl")
    counts = write_perturbed(
        arguments.pairs, arguments.output, map_file, arguments.kinds, arguments.changes, arguments.seed,
        how_from(arguments),
    )  # fmt: skip
    log.info("twins: wrote %s and %s, %d perturbed rows", arguments.output, map_file, counts["twins"])
    answer(began, output=str(arguments.output), pair_map=str(map_file), **counts)


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1 on, found {text!r}")
    return int(text)
