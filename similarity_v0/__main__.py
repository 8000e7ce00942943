"""python -m similarity_v0 --recipe NAME [--force] [-- key.path=value ...]
python -m similarity_v0 predict --model DIR --input FILE --output OUT.csv
python -m similarity_v0 ensemble --predictions A.csv B.csv [--method METHOD] [--gold FILE] --output OUT.csv
python -m similarity_v0 soup --models DIR DIR --output DIR [--greedy] [--dev FILE]
python -m similarity_v0 export --model DIR --format FORMAT [--check FILE] --output DIR
python -m similarity_v0 sweep FILE [--recipe NAME] [--force] [--dry-run] [-- key.path=value ...]"""

from __future__ import annotations

import importlib
from collections.abc import Sequence

from final_project.cli import Parser, end_process, recipe_from, run_main, stage_arguments
from final_project.training.stage import run_training_stage

COMMANDS = {
    "predict": "predict_file",
    "ensemble": "ensemble_files",
    "soup": "soup_folders",
    "sweep": "sweep",
    "export": "export",
}
"""Command -> its module, with add_arguments and run; imported when it is called, since some bring torch along."""


def main(argv: Sequence[str]) -> int | None:
    if argv and argv[0] in COMMANDS:
        return run_command(argv[0], argv[1:])
    about = "Fine-tuning of the pair classifier. `python -m similarity_v0 COMMAND --help`: " + ", ".join(COMMANDS)
    arguments = stage_arguments("similarity_v0", about, "similarity_v0").parse_args(argv)
    recipe = recipe_from(arguments)

    def work(*given):
        from similarity_v0.fit import fit  # torch and transformers: only where there is work

        return fit(*given)

    run_training_stage(recipe, "similarity_v0", arguments.force, work)


def run_command(name: str, argv: Sequence[str]) -> int | None:
    command = importlib.import_module(f"similarity_v0.{COMMANDS[name]}")
    parser = Parser(prog=f"python -m similarity_v0 {name}", description=command.run.__doc__)
    command.add_arguments(parser)
    return command.run(parser.parse_intermixed_args(argv))


if __name__ == "__main__":
    end_process(run_main(main))
