"""`plan`: the exact command of each stage, with its launcher. run.sh prints these lines (--dry-run) or runs them.

Single process: python -m STAGE. Several: torchrun, or DeepSpeed's launcher where the recipe's engine is DeepSpeed.
Several machines: NNODES, NODE_RANK, MASTER_ADDR, MASTER_PORT, and a runs folder that all of them see; what takes one
process is done by the first machine. One machine takes a free port of its own, whatever these variables say.
"""

from __future__ import annotations

import argparse
import base64
import logging
import os
import shlex
import socket
import sys

from final_project import strict_json
from final_project.cli import add_recipe_arguments, recipe_from
from final_project.commands.missing import missing_inputs
from final_project.errors import ArtifactError, RecipeError
from final_project.recipe import STAGES
from final_project.run.stage_key import training_stage_state
from final_project.settings import Recipe

log = logging.getLogger(__name__)

MULTI_PROCESS = ("posttrain", "similarity_v0", "similarity_v1")


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
        print(shlex.join(stage_command(recipe, stage, arguments, nodes)))


def what_is_missing(recipe: Recipe, stages: list[str]) -> str:
    """Which data and weights these stages would look for in vain, for people to read; empty where all is there."""
    missing = "\n  ".join(missing_inputs(recipe, stages))
    return f"recipe {recipe.name} lacks:\n  {missing}\nbash run.sh --recipe demo needs nothing" if missing else ""


def nodes_from_environment() -> dict:
    """NNODES and its fellows, checked; one node where NNODES is not set."""
    problems = []
    numbers = {}
    for name, default in (("NNODES", "1"), ("NODE_RANK", "0"), ("MASTER_PORT", "29500")):
        text = os.environ.get(name, default)
        if not text.isdigit():
            problems.append(f"{name} must be a whole number, found {text!r}")
        numbers[name] = int(text) if text.isdigit() else 0
    address = os.environ.get("MASTER_ADDR", "")
    if not problems and numbers["NNODES"] > 1:
        if not address:
            problems.append("NNODES is above 1, so MASTER_ADDR must name the first machine")
        if numbers["NODE_RANK"] >= numbers["NNODES"]:
            problems.append(f"NODE_RANK {numbers['NODE_RANK']} must be below NNODES {numbers['NNODES']}")
    if problems:
        raise RecipeError(problems)
    return {**numbers, "MASTER_ADDR": address}


def stage_command(recipe: Recipe, stage: str, arguments: argparse.Namespace, nodes: dict) -> list[str]:
    """The command line of one stage as a list of words."""
    rest = ["--recipe", arguments.recipe, *(["--force"] if arguments.force else [])]
    rest += ["--", *arguments.overrides] if arguments.overrides else []
    if stage == "prepare":
        return [sys.executable, "-m", "final_project", "prepare", *rest]
    if stage not in MULTI_PROCESS or recipe.nproc * nodes["NNODES"] == 1:
        return [sys.executable, "-m", stage, *rest]
    is_deepspeed = getattr(getattr(recipe, stage), "engine", "torch") == "deepspeed"
    launcher = _deepspeed_launcher(recipe.nproc, nodes) if is_deepspeed else _torchrun(recipe.nproc, nodes)
    # the processes share the cores; left alone, each would take them all
    threads = os.environ.get("OMP_NUM_THREADS") or max(1, (os.cpu_count() or 1) // recipe.nproc)
    return [f"OMP_NUM_THREADS={threads}", *launcher, stage, *rest]


def _torchrun(nproc: int, nodes: dict) -> list[str]:
    launcher = [sys.executable, "-m", "final_project.parallel.torchrun", f"--nproc-per-node={nproc}"]
    if nodes["NNODES"] == 1:
        return [*launcher, "--standalone", "-m"]
    launcher += [f"--nnodes={nodes['NNODES']}", f"--node-rank={nodes['NODE_RANK']}"]
    return [*launcher, f"--master-addr={nodes['MASTER_ADDR']}", f"--master-port={nodes['MASTER_PORT']}", "-m"]


def _deepspeed_launcher(nproc: int, nodes: dict) -> list[str]:
    # `deepspeed` itself only starts this on every machine of its hostfile, by ssh; and on a signal to end, it goes
    # without passing that on, and the stage trains on unseen
    world = {f"node{rank}": list(range(nproc)) for rank in range(nodes["NNODES"])}
    world_info = base64.urlsafe_b64encode(strict_json.dumps(world).encode()).decode()
    launcher = [sys.executable, "-m", "deepspeed.launcher.launch", f"--world_info={world_info}"]
    several = nodes["NNODES"] > 1
    address, port = (nodes["MASTER_ADDR"], nodes["MASTER_PORT"]) if several else ("127.0.0.1", _free_port())
    launcher += [f"--node_rank={nodes['NODE_RANK']}", f"--master_addr={address}", f"--master_port={port}"]
    return [*launcher, "--no_local_rank", "--module"]


def _free_port() -> int:
    """A port that nobody listens to: two runs on one machine do not meet, as with torchrun's --standalone."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
