"""The `export` command: a model folder in another form, with what it costs and gains where labelled pairs are given."""

from __future__ import annotations

import argparse
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from final_project.artifacts import folder_atomic, write_text
from final_project.cli import print_json
from final_project.commands.reading_options import add_reading_arguments, how_from
from final_project.errors import ArtifactError
from final_project.model.decision import load_decision
from final_project.model.folder import load_classifier, longest_input
from final_project.model.model_folder import write_model_folder
from final_project.model.model_inputs import inspect_inputs
from similarity_v0.export.check import Scorer, compare, labelled_pairs, torch_scorer
from similarity_v0.export.model_card import exported_card
from similarity_v0.export.onnx import onnx_scorer, write_int8, write_onnx
from similarity_v0.export.transformers_folder import write_cross_encoder, write_transformers

log = logging.getLogger(__name__)

FORMATS: dict[str, tuple[Callable, Callable[[Path], Scorer]]] = {
    "transformers": (write_transformers, torch_scorer),
    "cross-encoder": (write_cross_encoder, torch_scorer),
    "onnx": (write_onnx, onnx_scorer),
    "int8": (write_int8, onnx_scorer),
}
"""Format -> (what writes it: (classifier, folder, longest input); what answers from its folder)."""

FORMATS_HELP = (
    "transformers: a standard folder; cross-encoder: for sentence-transformers, one score a pair; "
    "onnx: model.onnx in float32; int8: the same with 8-bit weights"
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--model", type=Path, required=True, help="folder of a pair classifier")
    parser.add_argument("--output", type=Path, required=True, help="folder to write; must be new or empty")
    parser.add_argument("--format", choices=list(FORMATS), required=True, help=FORMATS_HELP)
    parser.add_argument(
        "--check", type=Path, metavar="FILE", help="labelled pairs: compare accuracy and speed with those of the folder"
    )
    add_reading_arguments(parser)


def run(arguments: argparse.Namespace) -> None:
    """The command: write the folder; what was written, and what the check has found, to standard output as JSON."""
    write, scorer_of = FORMATS[arguments.format]
    if arguments.output.exists() and (not arguments.output.is_dir() or any(arguments.output.iterdir())):
        raise ArtifactError(f"{arguments.output}: already exists; name a new folder")
    pairs = labelled_pairs(arguments.check, how_from(arguments)) if arguments.check else None
    classifier, tokenizer = load_classifier(arguments.model, pairs=True)
    decision, longest = load_decision(arguments.model), longest_input(classifier, tokenizer)
    with folder_atomic(arguments.output) as partial:
        card = exported_card(arguments.format, decision)
        write_model_folder(partial, lambda folder: write(classifier, folder, longest), tokenizer, decision, card)
    answer: dict[str, Any] = {"format": arguments.format, "output": str(arguments.output)}
    answer |= {"megabytes": round(count_megabytes(arguments.output), 3)}
    if pairs:
        again, _ = load_classifier(arguments.model)  # a format may have changed the classifier that it wrote
        own = torch_scorer(arguments.model, again)
        given = inspect_inputs(again, tokenizer, longest)
        check = compare(own, scorer_of(arguments.output), pairs, tokenizer, longest, decision, given)
        answer["check"] = check
        write_text(arguments.output / "README.md", exported_card(arguments.format, decision, check))
        moved = check["alone_and_in_a_batch"]
        if moved["labels_that_differ"]:
            log.warning(
                "export: %s: %d of %d pairs have another label alone than in a batch",
                arguments.format, moved["labels_that_differ"], moved["rows"],
            )  # fmt: skip
    log.info("export: wrote %s", arguments.output)
    print_json(answer)


def count_megabytes(folder: Path) -> float:
    """Millions of bytes of its files."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()) / 1e6
