"""The command line of the stage: `python -m similarity_v1 --recipe NAME` runs it, subcommands do one part each.

Answers go to standard output as one JSON object (`explain` prints for people), logs to standard error.
"""

from __future__ import annotations

from collections.abc import Sequence

from final_project.cli import end_process, recipe_from, run_commands, run_main, stage_arguments
from similarity_v1.stage import STAGE, run_stage

COMMANDS = {
    name: (f"similarity_v1.commands.{name}", about)
    for name, about in {
        "extract": "score the words of every pair and choose the raw rationales",
        "refine": "refine raw rationales by the published and the clean chain",
        "validate": "check a submission, text or zip, against its pairs",
        "evaluate": "measure a submission against gold rationales, pairing and labels",
        "twins": "write a perturbed row of every pair, for measuring consistency",
        "length": "learn on dev how many words a rationale should have",
        "explain": "explain one pair",
        "report": "write the report of a run as one HTML file",
        "serve": "explain pairs on a local page, and to programs",
    }.items()
}


def main(argv: Sequence[str]) -> int | None:
    return run_commands(STAGE, COMMANDS, argv, run_recipe)


def run_recipe(argv: Sequence[str]) -> None:
    about = "Run the stage of a recipe, or one of its commands."
    arguments = stage_arguments(STAGE, about, STAGE, commands=COMMANDS).parse_args(argv)
    run_stage(recipe_from(arguments), arguments.force)


if __name__ == "__main__":
    end_process(run_main(main))
