"""`prepare`: stage 0 of a recipe, and the download of openly served corpora."""

from __future__ import annotations

import argparse
from pathlib import Path

from final_project.cli import add_recipe_arguments, add_settings_help, recipe_from
from final_project.data.download import add_download_arguments, download_from
from final_project.prepare.stage import prepare


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_recipe_arguments(parser)
    add_download_arguments(parser)
    add_settings_help(parser, "prepare")


def run(arguments: argparse.Namespace) -> None:
    recipe = recipe_from(arguments)
    download_from(arguments, Path(recipe.prepare.data_dir))
    prepare(recipe, arguments.force)
