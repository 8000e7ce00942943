"""`evaluate`: measure a submission against gold rationales, pairing and labels."""

from __future__ import annotations

import argparse
import time
from pathlib import Path

from final_project.commands.reading_options import how_from
from similarity_v1.commands.options import add_pairs_argument, answer
from similarity_v1.evaluate.metrics import CONVENTIONS


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_pairs_argument(parser)
    add = parser.add_argument
    add("--predictions", type=Path, required=True, help="submission, .txt or .zip")
    add("--gold", type=Path, help="gold rationales, JSONL")
    add("--pair-map", type=Path, help='JSONL {"ori": id, "disturb": id}')
    add("--labels", type=Path, help="TSV or CSV of id and label")
    add("--against", type=Path, help="another submission, for the paired test")
    add("--model", type=Path, help="classifier folder, for sufficiency, comprehensiveness, new_p and decision flips")
    add(
        "--aopc",
        action="store_true",
        help="with --model: also over 1, 5, 10, 20 and 50 %% of the words, five times the work",
    )
    add("--scores", type=Path, help="word scores of the predictions, as extract writes them: with --gold, auprc")
    add("--convention", choices=CONVENTIONS, default=CONVENTIONS[0], help="denominators (default: %(default)s)")


def run(arguments: argparse.Namespace) -> None:
    from similarity_v1.evaluate.files import EvaluationRequest, evaluate_files

    began = time.monotonic()
    request = EvaluationRequest(
        pairs=arguments.pairs,
        predictions=arguments.predictions,
        gold=arguments.gold,
        pair_map=arguments.pair_map,
        labels=arguments.labels,
        against=arguments.against,
        model=arguments.model,
        scores=arguments.scores,
        aopc=arguments.aopc,
        convention=arguments.convention,
        how=how_from(arguments),
    )
    answer(began, **evaluate_files(request))
