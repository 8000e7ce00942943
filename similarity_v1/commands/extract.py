"""`extract`: score the words of every pair and choose the raw rationales."""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path

from final_project.data.contest import read_segmented
from similarity_v1.commands.options import add_model_arguments, add_pairs_argument, answer, settings_of

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_pairs_argument(parser)
    add_model_arguments(parser)
    parser.add_argument("--output", type=Path, required=True, help="the raw rationales, sim_rationale.txt")


def run(arguments: argparse.Namespace) -> None:
    from similarity_v1.extract import Explainer, extract_to_files

    began = time.monotonic()
    pairs = read_segmented(arguments.pairs)
    explainer = Explainer(arguments.model, settings_of(arguments))
    scores_file = arguments.output.with_name(f"{arguments.output.stem}.scores.jsonl")
    _, raw = extract_to_files(explainer, pairs, arguments.output, scores_file)
    log.info("extract: wrote %s and %s, %d rows", arguments.output, scores_file, len(raw))
    answer(began, output=str(arguments.output), scores=str(scores_file), rows=len(raw))
