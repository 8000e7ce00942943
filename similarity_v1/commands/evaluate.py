"""`evaluate`: measure a submission against gold rationales, pairing and labels."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from similarity_v1.commands.options import add_pairs_argument, answer
from similarity_v1.metrics import CONVENTIONS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_pairs_argument(parser)
    add = parser.add_argument
    add("--predictions", type=Path, required=True, help="submission, .txt or .zip")
    add("--gold", type=Path, help="gold rationales, JSONL")
    add("--pair-map", type=Path, help='JSONL {"ori": id, "disturb": id}')
    add("--labels", type=Path, help="TSV or CSV of id and label")
    add("--convention", choices=CONVENTIONS, default=CONVENTIONS[0], help="denominators (default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    from similarity_v1.evaluate import evaluate_files

    began = time.monotonic()
    figures = evaluate_files(
        arguments.pairs,
        arguments.predictions,
        gold_file=arguments.gold,
        map_file=arguments.pair_map,
        labels_file=arguments.labels,
        convention=arguments.convention,
    )
    answer(began, **figures)
