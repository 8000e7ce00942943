"""`prepare`: stage 0 of a recipe, and the download of openly served corpora.

python -m final_project prepare --download OCNLI PAWSX --accept-licence OCNLI PAWSX
"""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from pathlib import Path

from final_project.cli import add_recipe_arguments, add_settings_help, recipe_from
from final_project.data.download import choose_offers, download
from final_project.data.download.offers import OFFERS, Offer
from final_project.data.download.transfer import WAITS_S
from final_project.errors import UsageError
from final_project.prepare.prepare_pairs import prepare


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_recipe_arguments(parser)
    add_download_arguments(parser)
    add_settings_help(parser, "prepare")


def run(arguments: argparse.Namespace) -> None:
    recipe = recipe_from(arguments)
    download_from(arguments, Path(recipe.prepare.data_dir))
    prepare(recipe, arguments.force)


def add_download_arguments(parser: argparse.ArgumentParser) -> None:
    names = ", ".join(offer.corpus for offer in OFFERS)
    group = parser.add_argument_group("corpora that are served openly")
    group.add_argument("--download", nargs="+", metavar="NAME", help=f"fetch these first: {names}, or all")
    group.add_argument(
        "--accept-licence",
        nargs="+",
        metavar="NAME",
        default=[],
        help="corpora whose terms you accept, or all; without it the terms are shown and nothing is fetched",
    )
    group.add_argument(
        "--data", type=Path, metavar="DIR", help="folder to download into (default: the recipe's data folder)"
    )


def download_from(
    arguments: argparse.Namespace,
    data_dir: Path,
    offers: Sequence[Offer] = OFFERS,
    waits_s: Sequence[float] = WAITS_S,
) -> list[Path]:
    """Fetch what the arguments ask for into --data, else into `data_dir`; returns the corpora's files, all in place.

    Without --download nothing happens at all. Raises UsageError with the terms, and the command that accepts them,
    before any request is made; later what `fetch` and `unpack` raise.
    """
    if not arguments.download:
        if arguments.accept_licence:
            raise UsageError("--accept-licence needs --download with the names of the corpora to fetch")
        return []
    data_dir = arguments.data or data_dir
    wanted = choose_offers(arguments.download, offers)
    accepted = choose_offers(arguments.accept_licence, offers)
    if any(offer not in accepted for offer in wanted):
        raise UsageError(_notice(wanted, arguments, data_dir))
    return download(wanted, data_dir, waits_s)


def _notice(wanted: list[Offer], arguments: argparse.Namespace, data_dir: Path) -> str:
    lines = ["nothing was downloaded: these corpora come with terms of their own, which you have to accept first", ""]
    for offer in wanted:
        lines += [f"{offer.corpus}: {offer.about}", f"  licence: {offer.licence}", f"  full terms: {offer.terms}", ""]
    names = [offer.corpus for offer in wanted]
    recipe = ["--recipe", arguments.recipe] if getattr(arguments, "recipe", None) else []
    overrides = ["--", *arguments.overrides] if getattr(arguments, "overrides", None) else []
    command = ["prepare", *recipe, "--download", *names, "--accept-licence", *names]
    command += ["--data", str(data_dir), *overrides]
    return "\n".join([*lines, "To accept them and download:", f"  python -m final_project {shlex.join(command)}"])
