"""`doctor`: is this machine fit for the recipe? A table on standard error, one JSON object on standard output."""

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
from final_project.errors import EnvironmentProblem
from final_project.inputs import missing_inputs
from final_project.recipe import ROOT, STAGES
from final_project.settings import Recipe

MIN_FREE_GB = 5


def add_command(subparsers) -> None:
    parser = subparsers.add_parser("doctor", help="look whether this machine is fit for a recipe")
    parser.add_argument("--recipe", default="demo", help="name in recipes/ or a YAML file (default: demo)")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings, after --")
    parser.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    recipe = recipe_from(arguments)
    facts, problems = examine(recipe)
    for name, value in facts.items():
        print(f"{name:14} {value}", file=sys.stderr)
    print_json({"facts": facts, "problems": problems, "fit": not problems})
    if problems:
        raise EnvironmentProblem("\n  ".join(["this machine is not fit for the recipe yet:", *problems]))


def examine(recipe: Recipe) -> tuple[dict[str, Any], list[str]]:
    """(what was found, what stands in the way of the recipe)."""
    problems = []
    facts: dict[str, Any] = {"recipe": recipe.name, "python": platform.python_version()}
    if not (3, 10) <= sys.version_info[:2] <= (3, 13):
        problems.append(f"Python {platform.python_version()}: 3.10-3.13 is needed")
    problems += wrong_packages()

    # torch takes a while to import, so the packages are looked at first
    if importlib.util.find_spec("torch") is None:
        return facts, [*problems, "torch is not installed: bash run.sh sets everything up"]
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
    free_gb = shutil.disk_usage(ROOT).free / 1e9
    facts["disk_free_gb"] = round(free_gb, 1)
    if free_gb < MIN_FREE_GB:
        problems.append(f"{free_gb:.1f} GB of disk are free, {MIN_FREE_GB} are needed")
    return facts, problems + missing_inputs(recipe, STAGES)


def wrong_packages() -> list[str]:
    """Packages of requirements.txt that are missing here or of another version."""
    from packaging.requirements import Requirement

    problems = []
    for line in (ROOT / "requirements.txt").read_text(encoding="utf-8").splitlines():
        if not re.match(r"\w", line):
            continue
        wanted = Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate():
            continue
        try:
            version = metadata.version(wanted.name)
        except metadata.PackageNotFoundError:
            problems.append(f"{wanted.name} is not installed: bash run.sh sets everything up")
            continue
        if not wanted.specifier.contains(version.split("+")[0]):
            problems.append(f"{wanted.name} {version} is installed, requirements.txt has {wanted.specifier}")
    return problems
