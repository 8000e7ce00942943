"""`plan`: the exact command of each stage, with its launcher. run.sh prints these lines (--dry-run) or runs them.

Single process: python -m STAGE. Several: torchrun, or DeepSpeed's launcher where the recipe's engine is DeepSpeed.
Several machines: NNODES, NODE_RANK, MASTER_ADDR, MASTER_PORT, and a runs folder that all of them see; what takes one
process is done by the first machine. One machine takes a free port of its own, whatever these variables say.
"""

from __future__ import annotations

import argparse
import logging
import shlex

from final_project.cli import add_recipe_arguments, recipe_from
from final_project.commands.missing import missing_inputs
from final_project.errors import ArtifactError
from final_project.recipe import STAGES
from final_project.run.launch import MULTI_PROCESS, nodes_from_environment, stage_command
from final_project.run.stage_key import training_stage_state
from final_project.settings import Recipe

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_recipe_arguments(parser)
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES), metavar="STAGE")
    parser.add_argument("--dry-run", action="store_true", help="print all commands, finished stages included")
    parser.add_argument("--check", action="store_true", help="print nothing; only look for missing data and weights")


def run(arguments: argparse.Namespace) -> None:
    recipe = recipe_from(arguments)
    nodes = nodes_from_environment()
    if arguments.check:
        if missing := what_is_missing(recipe, arguments.stages):
            raise ArtifactError(missing)
        return
    if arguments.dry_run and (missing := what_is_missing(recipe, arguments.stages)):
        log.warning("%s", missing)
    several = recipe.nproc * nodes["NNODES"] > 1
    for stage in arguments.stages:
        if nodes["NODE_RANK"] > 0 and stage not in MULTI_PROCESS:
            log.info("%s: the first machine's work, skipped on this one", stage)
            continue
        # single processes look for themselves; several are not started only to find that there is nothing to do
        if several and stage in MULTI_PROCESS and not arguments.dry_run and not arguments.force:
            state = training_stage_state(recipe, stage)
            if state.is_finished:
                log.info("%s: up to date, skipped (%s)", stage, state.folder.path)
                continue
        command = stage_command(recipe, stage, arguments.recipe, arguments.force, arguments.overrides, nodes)
        print(shlex.join(command))


def what_is_missing(recipe: Recipe, stages: list[str]) -> str:
    """Which data and weights these stages would look for in vain, for people to read; empty where all is there."""
    missing = "\n  ".join(missing_inputs(recipe, stages))
    return f"recipe {recipe.name} lacks:\n  {missing}\nbash run.sh --recipe demo needs nothing" if missing else ""
