"""`doctor`: check whether this machine can run a recipe. A table to stderr, JSON to stdout."""

from __future__ import annotations

import argparse
import importlib.util
import platform
import re
import shutil
import sys
from importlib import metadata
from typing import Any

from final_project.cli import print_json, recipe_from
from final_project.commands.missing import missing_inputs
from final_project.errors import EnvironmentProblem
from final_project.places import CHECKOUT
from final_project.recipe import STAGES
from final_project.settings import Recipe

MIN_FREE_GB = 5
DISTRIBUTION = "explained-pairs"
INSTALL = "bash run.sh sets everything up" if CHECKOUT else f"pip install {DISTRIBUTION}"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--recipe", default="demo", help="name in recipes/ or a YAML file (default: demo)")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings, after --")


def run(arguments: argparse.Namespace) -> None:
    recipe = recipe_from(arguments)
    facts, problems = examine(recipe)
    for name, value in facts.items():
        print(f"{name:14} {value}", file=sys.stderr)
    print_json({"facts": facts, "problems": problems, "fit": not problems})
    if problems:
        raise EnvironmentProblem("\n  ".join(["this machine cannot run the recipe yet:", *problems]))


def examine(recipe: Recipe) -> tuple[dict[str, Any], list[str]]:
    """(what was found, what keeps the recipe from running)."""
    problems = []
    facts: dict[str, Any] = {"recipe": recipe.name, "python": platform.python_version()}
    if not (3, 10) <= sys.version_info[:2] <= (3, 13):
        problems.append(f"Python {platform.python_version()}: 3.10-3.13 is needed")
    problems += wrong_packages()

    # torch takes a while to import, so the packages are looked at first
    if importlib.util.find_spec("torch") is None:
        return facts, [*problems, f"torch is not installed: {INSTALL}"]
    import torch

    from final_project.training.apex_parts import apex_status
    from final_project.training.precision import resolve_precision

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    facts["torch"] = torch.__version__
    facts["devices"] = torch.cuda.device_count() or f"cpu, {torch.get_num_threads()} threads"
    facts["precision"] = resolve_precision("auto", device)
    if device.type == "cuda" and recipe.nproc > torch.cuda.device_count():
        problems.append(f"nproc {recipe.nproc}, but {torch.cuda.device_count()} CUDA devices: lower nproc")
    facts["apex"] = apex_status()
    if facts["apex"] == "unrelated":
        problems.append(
            "the installed package `apex` is an unrelated web toolkit, not NVIDIA's apex: pip uninstall apex"
        )
    if "deepspeed" in (recipe.posttrain.engine, recipe.similarity_v0.engine):
        facts["compiler"] = shutil.which("c++") or shutil.which("g++")
        if facts["compiler"] is None:
            problems.append("DeepSpeed compiles a communication op at first use and no C++ compiler is here")
    free_gb = shutil.disk_usage(CHECKOUT or ".").free / 1e9
    facts["disk_free_gb"] = round(free_gb, 1)
    if free_gb < MIN_FREE_GB:
        problems.append(f"{free_gb:.1f} GB of disk are free, {MIN_FREE_GB} are needed")
    return facts, problems + missing_inputs(recipe, STAGES)


def wrong_packages() -> list[str]:
    """Packages that are missing here or have another version than this project requires."""
    from packaging.requirements import Requirement

    problems = []
    for line in required_packages():
        wanted = Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": ""}):
            continue
        try:
            version = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            problems.append(f"{wanted.name} is not installed: {INSTALL}")
            continue
        if not wanted.specifier.contains(version.split("+")[0]):
            problems.append(f"{wanted.name} {version} is installed, {wanted.specifier} is required")
    return problems


def required_packages() -> list[str]:
    """The lines of requirements.txt in a checkout; elsewhere what the installed distribution requires."""
    if CHECKOUT is None:
        return metadata.requires(DISTRIBUTION) or []
    lines = (CHECKOUT / "requirements.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if re.match(r"\w", line)]
