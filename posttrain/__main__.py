"""python -m posttrain --recipe NAME [--force] [-- key.path=value ...]"""

from __future__ import annotations

from collections.abc import Sequence

from final_project.cli import end_process, recipe_from, run_commands, run_main, stage_arguments
from final_project.run.run_stage import run_training_stage


def main(argv: Sequence[str]) -> int | None:
    return run_commands("posttrain", {}, argv, run_stage)


def run_stage(argv: Sequence[str]) -> None:
    parser = stage_arguments("posttrain", "Masked-LM training on in-domain text.", "encoder", "posttrain")
    arguments = parser.parse_args(argv)
    recipe = recipe_from(arguments)

    def work(*given):
        from posttrain.fit import fit  # torch and transformers: only where there is work

        return fit(*given)

    run_training_stage(recipe, "posttrain", arguments.force, work)


if __name__ == "__main__":
    end_process(run_main(main))
