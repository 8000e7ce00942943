"""`explain`: explain one pair, or one text, on the terminal and as a page where asked."""

from __future__ import annotations

import argparse
import logging
import sys
from pathlib import Path

from final_project.cli import print_json
from similarity_v1.commands.options import add_model_arguments, parse_settings

log = logging.getLogger(__name__)

WORDS = ("script", "contest", "characters", "jieba", "whitespace")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_model_arguments(parser)
    parser.add_argument("text_a", metavar="TEXT_A", help="first sentence")
    parser.add_argument("text_b", metavar="TEXT_B", nargs="?", help="second sentence; none for single-text classifiers")
    about = (
        "what a word is; script: each Chinese character or kana, whole words of other scripts; contest: each "
        "character, but a run of Latin letters or digits (default: %(default)s)"
    )
    parser.add_argument("--words", choices=WORDS, default=WORDS[0], help=about)
    parser.add_argument("--html", type=Path, help="also write a page")
    parser.add_argument("--json", action="store_true", help="answer with one JSON object, for programs")


def run(arguments: argparse.Namespace) -> None:
    from final_project.model.decision import is_pair_folder
    from final_project.model.scale import is_text_folder
    from similarity_v1.explain.from_settings import build_explainer
    from similarity_v1.explain.terminal import (
        explanation_json,
        print_explanation,
        require_number_of_texts,
        require_texts,
    )
    from similarity_v1.rationales.selection import selection_from_settings
    from similarity_v1.report import write_explanation

    texts = tuple(text for text in (arguments.text_a, arguments.text_b) if text is not None)
    require_texts(*texts)
    n_read = 1 if is_text_folder(arguments.model) else 2 if is_pair_folder(arguments.model) else None
    require_number_of_texts(texts, n_read, "TEXT_B")
    settings = parse_settings(arguments)
    how = selection_from_settings(settings)
    explainer = build_explainer(arguments.model, settings, arguments.words)
    (explanation,) = explainer.explain([texts])
    if explanation.truncated:
        log.warning("explain: cut to the model's %d positions; words cut off are not read and score 0", explainer.limit)
    if arguments.html is not None:
        write_explanation(arguments.html, explanation, how)
        log.info("explain: wrote %s", arguments.html)
    if arguments.json:
        print_json(explanation_json(explanation, how))
    else:
        print_explanation(explanation, how, sys.stdout)
