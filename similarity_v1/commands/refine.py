"""`refine`: refine raw rationales by the published and the clean chain."""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path

from final_project.commands.reading_options import how_from
from final_project.prepare.rows_to_explain import read_explained
from final_project.settings import SimilarityV1
from similarity_v1.commands.options import add_pairs_argument, answer
from similarity_v1.rationales.clean_chain import ORDERS

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_pairs_argument(parser)
    add = parser.add_argument
    add("--rationales", type=Path, required=True, help="raw rationales, text or zip")
    add("--originals", type=Path, required=True, help="TSV that the source rows come from (LCQMC test)")
    add("--output-dir", type=Path, required=True, help="folder for the refined files")
    add(
        "--chain", choices=("both", "published", "clean"), default="both", type=_chain,
        help="chain to write (default: both)",
    )  # fmt: skip
    add(
        "--clean-order", choices=ORDERS, default=SimilarityV1().clean_order,
        help="order of shared words in the clean chain: stable in all sentences, or the model's (default: %(default)s)",
    )  # fmt: skip


def _chain(text: str) -> str:
    """`original` is the older spelling of `published`."""
    return "published" if text == "original" else text


def run(arguments: argparse.Namespace) -> None:
    from similarity_v1.rationales.chains import write_clean_chain, write_published_chain
    from similarity_v1.rationales.published_chain import read_source_rows
    from similarity_v1.rationales.submission import align_rows, read_submission

    began = time.monotonic()
    pairs = read_explained(arguments.pairs, how_from(arguments))
    raw = align_rows(arguments.rationales, read_submission(arguments.rationales), pairs)
    figures = {"rows": len(raw), "output_dir": str(arguments.output_dir)}
    if arguments.chain in ("both", "published"):
        _, counts = write_published_chain(arguments.output_dir, pairs, raw, read_source_rows(arguments.originals))
        figures |= counts
        if not counts["originals"]:
            log.warning("%s: no row of the pairs is a source row, so f3 copied nothing", arguments.originals)
    if arguments.chain in ("both", "clean"):
        write_clean_chain(arguments.output_dir, pairs, raw, arguments.clean_order)
    log.info("refine: wrote chain %s to %s, %d rows", arguments.chain, arguments.output_dir, len(raw))
    answer(began, **figures)
