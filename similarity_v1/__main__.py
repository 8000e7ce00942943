"""The command line of the stage: `python -m similarity_v1 --recipe NAME` runs it, subcommands do one part each.

Answers go to standard output as one JSON object (`explain` prints for people), logs to standard error.
"""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Sequence

from final_project.cli import end_process, recipe_from, run_main, stage_arguments
from similarity_v1.commands import evaluate, explain, extract, length, refine, report, serve, twins, validate
from similarity_v1.stage import STAGE, run_stage

COMMANDS = {
    "extract": (extract, "score the words of every pair and choose the raw rationales"),
    "refine": (refine, "refine raw rationales by the published and the clean chain"),
    "validate": (validate, "check a submission, text or zip, against its pairs"),
    "evaluate": (evaluate, "measure a submission against gold rationales, pairing and labels"),
    "twins": (twins, "write every pair once more in other words, for measuring consistency"),
    "length": (length, "learn on dev how many words a rationale should have"),
    "explain": (explain, "explain one pair"),
    "report": (report, "write the report of a run as one HTML file"),
    "serve": (serve, "explain pairs on a local page, and to programs"),
}


def main(argv: Sequence[str]) -> int | None:
    if argv and argv[0] in COMMANDS:
        arguments = _command_parser().parse_args(argv)
        arguments.run_command(arguments)
        return 0
    parser = _stage_parser()
    if argv and not argv[0].startswith("-") and "=" not in argv[0]:
        close = difflib.get_close_matches(argv[0], COMMANDS, n=1)
        hint = f"; did you mean {close[0]}?" if close else ""
        parser.error(f"no subcommand {argv[0]!r}{hint} (there are {', '.join(COMMANDS)})")
    arguments = parser.parse_args(argv)
    run_stage(recipe_from(arguments), arguments.force)
    return 0


def _stage_parser() -> argparse.ArgumentParser:
    listed = "\n".join(f"  {name:<9} {about}" for name, (_, about) in COMMANDS.items())
    about = f"Run the stage of a recipe, or one part of it with a subcommand:\n{listed}"
    return stage_arguments(STAGE, about, STAGE)


def _command_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog=f"python -m {STAGE}")
    subparsers = parser.add_subparsers(required=True, metavar="SUBCOMMAND")
    for name, (command, about) in COMMANDS.items():
        of_command = subparsers.add_parser(name, help=about, description=about)
        command.add_arguments(of_command)
        # under a name of its own: `report` has an option --run
        of_command.set_defaults(run_command=command.run)
    return parser


if __name__ == "__main__":
    end_process(run_main(main))
