"""`explain`: explain one pair, on the terminal and as a page where asked."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from similarity_v1.commands.options import add_model_arguments, settings_of

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_arguments(parser)
    parser.add_argument("text_a", metavar="TEXT_A", help="first sentence")
    parser.add_argument("text_b", metavar="TEXT_B", help="second sentence")
    parser.add_argument("--html", type=Path, help="also write a page")


def run(arguments: argparse.Namespace) -> None:
    from similarity_v1.explain import pair_of, print_explanation
    from similarity_v1.extract import Explainer
    from similarity_v1.report import write_explanation

    pair = pair_of(arguments.text_a, arguments.text_b)
    settings = settings_of(arguments)
    (row,) = Explainer(arguments.model, settings).explain([pair])
    if arguments.html is not None:
        write_explanation(arguments.html, pair, row, settings)
        log.info("explain: wrote %s", arguments.html)
    print_explanation(pair, row, settings.ratio, sys.stdout)
