"""python -m similarity_v0 --recipe NAME [--force] [-- key.path=value ...]
python -m similarity_v0 predict --model DIR --input FILE --output OUT.csv
python -m similarity_v0 ensemble --predictions A.csv B.csv [--method METHOD] [--gold FILE] --output OUT.csv
python -m similarity_v0 soup --models DIR DIR --output DIR [--greedy] [--dev FILE]
python -m similarity_v0 export --model DIR --format FORMAT [--check FILE] --output DIR
python -m similarity_v0 submit --predictions A.csv --sample SAMPLE.csv --output OUT.csv
python -m similarity_v0 sweep FILE [--recipe NAME] [--force] [--dry-run] [-- key.path=value ...]"""

from __future__ import annotations

from collections.abc import Sequence

from final_project.cli import end_process, recipe_from, run_commands, run_main, stage_arguments
from final_project.run.run_stage import run_training_stage

COMMANDS = {
    "predict": (
        "similarity_v0.commands.predict",
        "predict the pairs or texts of a file; print scores if they have labels",
    ),
    "ensemble": ("similarity_v0.commands.ensemble", "combine several files of predictions; print scores with --gold"),
    "soup": (
        "similarity_v0.commands.soup",
        "average the weights of several models; the threshold is the best on --dev, without it the likelier label wins",
    ),
    "sweep": (
        "similarity_v0.commands.sweep",
        "train variants of a recipe over seeds and compare them; status 1 if a trial failed",
    ),
    "submit": ("similarity_v0.commands.submit", "write predicted scores in the form of a sample submission"),
    "export": ("similarity_v0.commands.export", "export a classifier to another format and print a JSON summary"),
}


def main(argv: Sequence[str]) -> int | None:
    return run_commands("similarity_v0", COMMANDS, argv, run_stage, intermixed=True)


def run_stage(argv: Sequence[str]) -> None:
    about = "Fine-tuning of the pair classifier: run the stage of a recipe, or one of its commands."
    arguments = stage_arguments("similarity_v0", about, "similarity_v0", commands=COMMANDS).parse_args(argv)
    recipe = recipe_from(arguments)

    def work(*given):
        from similarity_v0.fit import fit  # torch and transformers: only where there is work

        return fit(*given)

    run_training_stage(recipe, "similarity_v0", arguments.force, work)


if __name__ == "__main__":
    end_process(run_main(main))
