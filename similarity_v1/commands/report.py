"""`report`: write the report of a run as one HTML file."""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path

from final_project.run.stage_folder import StageFolder
from similarity_v1.commands.options import answer

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--run", type=Path, required=True, help="folder of the run, runs/NAME")
    parser.add_argument(
        "--pair-map",
        type=Path,
        help='pair map: which perturbed row was made from which source row, JSONL {"ori": id, "disturb": id}',
    )


def run(arguments: argparse.Namespace) -> None:
    from similarity_v1.report import write_report

    began = time.monotonic()
    path = write_report(arguments.run, arguments.pair_map)
    StageFolder(path.parent.parent, path.parent.name).renew(path.name)  # it is one of the stage's files
    log.info("report: wrote %s", path)
    answer(began, report=str(path))
