"""The command that starts a stage: python, torchrun, or DeepSpeed's launcher, on one machine or several."""

from __future__ import annotations

import base64
import os
import socket
import sys
from collections.abc import Sequence

from final_project import strict_json
from final_project.errors import RecipeError
from final_project.settings import Recipe

MULTI_PROCESS = ("posttrain", "similarity_v0", "similarity_v1")


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


def stage_command(
    recipe: Recipe, stage: str, recipe_name: str, force: bool, overrides: Sequence[str], nodes: dict
) -> list[str]:
    """The command line of one stage as a list of words; recipe: what recipe_name and overrides say."""
    rest = ["--recipe", recipe_name, *(["--force"] if force else []), *(["--", *overrides] if overrides else [])]
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
