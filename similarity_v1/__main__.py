"""The command line of the stage: `python -m similarity_v1 --recipe NAME` runs it, subcommands do one part each.

Answers go to standard output as one JSON object (`explain` prints for people), logs to standard error.
"""

from __future__ import annotations

import argparse
import difflib
import logging
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from final_project.cli import print_json, recipe_from, run_main, stage_arguments
from final_project.data.contest import read_segmented
from final_project.errors import RecipeError
from final_project.settings import SimilarityV1
from similarity_v1.metrics import CONVENTIONS
from similarity_v1.stage import STAGE, run_stage

# What a subcommand needs is imported inside it: only extract and explain pay for torch.
log = logging.getLogger(__name__)
MODEL_OPTIONS = {
    "method": {"choices": SimilarityV1.model_fields["method"].annotation.__args__},
    "ig_steps": {"type": int},
    "ratio": {"type": float},
    "batch_tokens": {"type": int},
}


def extract(arguments: argparse.Namespace) -> None:
    from similarity_v1.extract import Explainer, extract_to_files

    began = time.monotonic()
    pairs = read_segmented(arguments.pairs)
    explainer = Explainer(arguments.model, _settings(arguments))
    scores_file = arguments.output.with_name(f"{arguments.output.stem}.scores.jsonl")
    _, raw = extract_to_files(explainer, pairs, arguments.output, scores_file)
    log.info("extract: wrote %s and %s, %d rows", arguments.output, scores_file, len(raw))
    _answer(began, output=str(arguments.output), scores=str(scores_file), rows=len(raw))


def refine(arguments: argparse.Namespace) -> None:
    from similarity_v1.chains import write_clean_chain, write_original_chain
    from similarity_v1.refine import read_originals
    from similarity_v1.submission import align_rows, read_submission

    began = time.monotonic()
    pairs = read_segmented(arguments.pairs)
    raw = align_rows(arguments.rationales, read_submission(arguments.rationales), pairs)
    answer = {"rows": len(raw), "output_dir": str(arguments.output_dir)}
    if arguments.chain in ("both", "original"):
        _, counts = write_original_chain(arguments.output_dir, pairs, raw, read_originals(arguments.originals))
        answer |= counts
        if not counts["originals"]:
            log.warning("%s: no row of the pairs is an original, so f3 copied nothing", arguments.originals)
    if arguments.chain in ("both", "clean"):
        write_clean_chain(arguments.output_dir, pairs, raw)
    log.info("refine: wrote chain %s to %s, %d rows", arguments.chain, arguments.output_dir, len(raw))
    _answer(began, **answer)


def validate(arguments: argparse.Namespace) -> None:
    from similarity_v1.submission import validate

    answer = validate(arguments.submission, read_segmented(arguments.pairs))
    if answer["rows_with_repeated_index"]:
        log.warning("%s: %d rows repeat an index", arguments.submission, answer["rows_with_repeated_index"])
    print_json(answer)


def evaluate(arguments: argparse.Namespace) -> None:
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
    _answer(began, **figures)


def explain(arguments: argparse.Namespace) -> None:
    from similarity_v1.explain import pair_of, print_explanation
    from similarity_v1.extract import Explainer
    from similarity_v1.report import write_explanation

    pair = pair_of(arguments.text_a, arguments.text_b)
    settings = _settings(arguments)
    (row,) = Explainer(arguments.model, settings).explain([pair])
    if arguments.html is not None:
        write_explanation(arguments.html, pair, row, settings)
        log.info("explain: wrote %s", arguments.html)
    print_explanation(pair, row, settings.ratio, sys.stdout)


def report(arguments: argparse.Namespace) -> None:
    from similarity_v1.report import write_report

    began = time.monotonic()
    path = write_report(arguments.run)
    log.info("report: wrote %s", path)
    _answer(began, report=str(path))


SUBCOMMANDS = {
    "extract": (extract, "score the words of every pair and choose the raw rationales"),
    "refine": (refine, "refine raw rationales by the original and the clean chain"),
    "validate": (validate, "check a submission, text or zip, against its pairs"),
    "evaluate": (evaluate, "measure a submission against gold rationales, pairing and labels"),
    "explain": (explain, "explain one pair"),
    "report": (report, "write the report of a run as one HTML file"),
}


def main(argv: Sequence[str]) -> int | None:
    if argv and argv[0] in SUBCOMMANDS:
        arguments = _subcommand_parser().parse_args(argv)
        arguments.run_command(arguments)
        return 0
    parser = _stage_parser()
    if argv and not argv[0].startswith("-") and "=" not in argv[0]:
        close = difflib.get_close_matches(argv[0], SUBCOMMANDS, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        parser.error(f"no subcommand {argv[0]!r}{hint} (there are {', '.join(SUBCOMMANDS)})")
    arguments = parser.parse_args(argv)
    run_stage(recipe_from(arguments), arguments.force)
    return 0


def _stage_parser() -> argparse.ArgumentParser:
    listed = "\n".join(f"  {name:<9} {about}" for name, (_, about) in SUBCOMMANDS.items())
    about = f"Run the stage of a recipe, or one part of it with a subcommand:\n{listed}"
    return stage_arguments(STAGE, about, STAGE)


def _subcommand_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {STAGE}")
    subparsers = parser.add_subparsers(required=True, metavar="SUBCOMMAND")
    parsers = {}
    for name, (command, about) in SUBCOMMANDS.items():
        parsers[name] = subparsers.add_parser(name, help=about, description=about)
        parsers[name].set_defaults(run_command=command)
    for name in ("extract", "refine", "validate", "evaluate"):
        parsers[name].add_argument("--pairs", type=Path, required=True, help="contest JSONL with the pairs")
    _add_model_arguments(parsers["extract"])
    parsers["extract"].add_argument("--output", type=Path, required=True, help="the raw rationales, sim_rationale.txt")
    _add_model_arguments(parsers["explain"])
    parsers["explain"].add_argument("text_a", metavar="TEXT_A", help="first sentence")
    parsers["explain"].add_argument("text_b", metavar="TEXT_B", help="second sentence")
    parsers["explain"].add_argument("--html", type=Path, help="also write a page")
    add = parsers["refine"].add_argument
    add("--rationales", type=Path, required=True, help="raw rationales, text or zip")
    add("--originals", type=Path, required=True, help="TSV that original rows were taken from (LCQMC test)")
    add("--output-dir", type=Path, required=True, help="folder for the refined files")
    add("--chain", choices=("both", "original", "clean"), default="both", help="which chain to write (default: both)")
    parsers["validate"].add_argument("--submission", type=Path, required=True, help="submission, .txt or .zip")
    add = parsers["evaluate"].add_argument
    add("--predictions", type=Path, required=True, help="submission, .txt or .zip")
    add("--gold", type=Path, help="gold rationales, JSONL")
    add("--pair-map", type=Path, help='JSONL {"ori": id, "disturb": id}')
    add("--labels", type=Path, help="TSV or CSV of id and label")
    add("--convention", choices=CONVENTIONS, default=CONVENTIONS[0], help="denominators (default: %(default)s)")
    parsers["report"].add_argument("--run", type=Path, required=True, help="folder of the run, runs/NAME")
    return parser


def _add_model_arguments(parser: argparse.ArgumentParser) -> None:
    """The stage's settings as options; their meanings and defaults come from the recipe's settings."""
    parser.add_argument("--model", type=Path, required=True, help="folder of the pair classifier")
    for name, extra in MODEL_OPTIONS.items():
        field = SimilarityV1.model_fields[name]
        # without a method its steps decide: more than one are integrated gradients
        default = None if name == "method" else field.default
        about = f"{field.description} (default: {default or 'as --ig-steps has it'})"
        parser.add_argument(f"--{_option(name)}", default=default, help=about, **extra)


def _settings(arguments: argparse.Namespace) -> SimilarityV1:
    """The options as settings, under the bounds that hold in a recipe; raises RecipeError naming all that are off."""
    options = {name: getattr(arguments, name) for name in MODEL_OPTIONS}
    if options["method"] is None:
        options["method"] = "gradient_x_input" if options["ig_steps"] == 1 else "integrated_gradients"
    try:
        return SimilarityV1(**options)
    except ValidationError as error:
        raise RecipeError([_say(problem) for problem in error.errors()]) from error


def _say(problem: dict) -> str:
    message = problem["msg"].removeprefix("Value error, ")
    return f"--{_option(problem['loc'][0])}: {message}, found {problem['input']}" if problem["loc"] else message


def _option(name: str) -> str:
    return name.replace("_", "-")


def _answer(began: float, **figures) -> None:
    print_json({**figures, "seconds": round(time.monotonic() - began, 3)})


if __name__ == "__main__":
    sys.exit(run_main(main))
