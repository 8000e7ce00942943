"""python -m similarity_v0 --recipe NAME [--force] [-- key.path=value ...]
python -m similarity_v0 predict --model DIR --input FILE --output OUT.csv"""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from final_project.cli import end_process, recipe_from, run_main, stage_arguments
from final_project.training.stage import run_training_stage


def main(argv: Sequence[str]) -> None:
    if argv[:1] == ["predict"]:
        return predict(argv[1:])
    about = "Fine-tuning of the pair classifier. `python -m similarity_v0 predict --help`: predictions for a file."
    arguments = stage_arguments("similarity_v0", about, "similarity_v0").parse_args(argv)
    recipe = recipe_from(arguments)

    def work(*given):
        from similarity_v0.fit import fit  # torch and transformers: only where there is work

        return fit(*given)

    run_training_stage(recipe, "similarity_v0", arguments.force, work)


def predict(argv: Sequence[str]) -> None:
    from similarity_v0 import predict_file as command

    parser = argparse.ArgumentParser(prog="python -m similarity_v0 predict", description=command.run.__doc__)
    command.add_arguments(parser)
    command.run(parser.parse_args(argv))


if __name__ == "__main__":
    end_process(run_main(main))
