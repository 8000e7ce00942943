"""`length`: learn on dev how many words a rationale should have, for one rule of selection."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import get_args

from final_project.commands.reading_options import how_from
from final_project.prepare.rows_to_explain import read_explained
from final_project.settings import SimilarityV1
from similarity_v1.commands.options import add_pairs_argument, answer

RULES = get_args(SimilarityV1.model_fields["select"].annotation)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_pairs_argument(parser)
    add = parser.add_argument
    add("--scores", type=Path, required=True, help="the scores of these pairs, as extract writes them")
    add("--select", choices=RULES, default="ratio", help="the rule whose number is learned (default: %(default)s)")
    measure = parser.add_mutually_exclusive_group(required=True)
    measure.add_argument("--gold", type=Path, help="gold rationales: the number with the highest token-F1")
    measure.add_argument(
        "--model", type=Path, help="classifier folder: the lowest number at which the chosen words keep its label"
    )


def run(arguments: argparse.Namespace) -> None:
    from similarity_v1.evaluate.learn_length import learn
    from similarity_v1.rationales.word_scores import read_scores

    began = time.monotonic()
    pairs = read_explained(arguments.pairs, how_from(arguments))
    scored = read_scores(arguments.scores, pairs)
    answer(began, **learn(pairs, scored, arguments.select, arguments.gold, arguments.model))
