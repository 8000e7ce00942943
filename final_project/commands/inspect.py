"""`inspect`: what would be read of a file, before anything is made of it: columns, labels, rows that do not fit."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import yaml

from final_project.artifacts import write_text
from final_project.cli import print_json
from final_project.commands.reading_options import add_reading_arguments, how_from
from final_project.data.files.pair_file import PairFile
from final_project.data.files.read_report import facts_of_file, how_it_was_read
from final_project.data.files.tables import checked_pairs
from final_project.errors import ArtifactError, DataError

MOST_FAULTS = 20  # that are listed; all are counted


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="pairs in any form: CSV, TSV, JSONL, JSON, Parquet or Excel")
    add_reading_arguments(parser)
    parser.add_argument("--write", type=Path, metavar="RECIPE", help="write a recipe for the file, as a new YAML file")


def run(arguments: argparse.Namespace) -> None:
    """The command: figures as JSON on standard output, the same for people and the lines of a recipe beside it."""
    if arguments.write and arguments.write.exists():
        raise ArtifactError(f"{arguments.write}: is there already; name another file to write")
    file = PairFile(arguments.file, how_from(arguments))
    faults = faults_of(file)
    recipe = yaml.safe_dump(recipe_for(file), allow_unicode=True, sort_keys=False, default_flow_style=None, width=1000)
    shown = [str(fault) for fault in faults[:MOST_FAULTS]]
    more = [f"and {len(faults) - len(shown):,} more"] if len(faults) > len(shown) else []
    said = [f"{len(faults):,} rows do not fit:", *shown, *more] if faults else ["every row fits"]
    print("\n".join([*how_it_was_read(file), *said, "", recipe.rstrip()]), file=sys.stderr)
    if arguments.write:
        write_text(arguments.write, recipe)
    print_json({**facts_of_file(file), "unfit_rows": len(faults), "unfit": shown, "recipe": recipe})


def faults_of(file: PairFile) -> list[DataError]:
    """What is wrong with the rows of a file, which is gone through to its end, or to where it cannot be read on."""
    faults: list[DataError] = []
    try:
        faults += (found for _, found in checked_pairs(file) if isinstance(found, DataError))
    except DataError as error:
        faults.append(error)
    return faults


def recipe_for(file: PairFile) -> dict[str, Any]:
    """The settings that read this file as it was read here."""
    prepare: dict[str, Any] = {"train_file": str(file.path)}
    if not file.is_contest and (names := file.names_of()):
        prepare["columns"] = {role: str(name) for role, name in names._asdict().items() if name is not None}
    meanings = [(text, means) for text, means, _ in file.labels.meanings() if text]
    labels: dict[str, Any] = {}
    if file.how.labels.cut is not None:
        labels["cut"] = file.how.labels.cut
    elif any(text != str(means) for text, means in meanings if means is not None):
        for side, label in (("positive", 1), ("negative", 0)):
            labels[side] = sorted(text for text, means in meanings if means == label)
    if file.how.labels.left_out:
        labels["left_out"] = list(file.how.labels.left_out)
    if labels:
        prepare["labels"] = labels
    return {"prepare": prepare, "encoder": {"start": "matching"}}
