"""`extract`: score the words of every pair and choose the raw rationales."""

from __future__ import annotations

import argparse
import logging
import time
from pathlib import Path
from typing import TYPE_CHECKING

from final_project.commands.reading_options import how_from
from final_project.errors import RecipeError
from similarity_v1.commands.options import (
    BULK_OPTIONS,
    add_model_arguments,
    add_pairs_argument,
    add_setting_arguments,
    answer,
    parse_settings,
)

if TYPE_CHECKING:
    from similarity_v1.extract.job import Engine, Job

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_pairs_argument(parser)
    add_model_arguments(parser)
    add_setting_arguments(parser, BULK_OPTIONS)
    parser.add_argument(
        "--output",
        type=Path,
        required=True,
        help="file for the raw rationales, such as sim_rationale.txt; *.parquet holds the scores too",
    )
    parser.add_argument(
        "--engine",
        choices=("processes", "ray"),
        default="processes",
        help="processes: all that torchrun started, or this one alone; ray: Ray Data (default: %(default)s)",
    )
    parser.add_argument("--ray-address", metavar="ADDRESS", help="a running cluster (default: one on this machine)")


def run(arguments: argparse.Namespace) -> None:
    from similarity_v1.extract.job import Job, extract

    began = time.monotonic()
    output = arguments.output
    job = Job(
        model=arguments.model,
        pairs=arguments.pairs,
        output=output,
        scores=output.with_name(f"{output.stem}.scores.jsonl"),
        settings=parse_settings(arguments),
        how=how_from(arguments),
    )
    done = extract(job, _engine(arguments, job))
    if done is None:
        return
    files = {"output": output} if job.is_parquet else {"output": output, "scores": job.scores}
    written = " and ".join(map(str, files.values()))
    log.info("extract: wrote %s, %d rows, %.0f rows/s", written, done.rows, done.rows_per_s)
    figures = {"rows": done.rows, "new_rows": done.new_rows, "rows_per_s": round(done.rows_per_s, 1)}
    answer(began, **{name: str(path) for name, path in files.items()}, **figures)


def _engine(arguments: argparse.Namespace, job: Job) -> Engine | None:
    if arguments.engine == "ray":
        from similarity_v1.extract.on_ray import RayEngine

        return RayEngine(job.model, job.settings, arguments.ray_address)
    if arguments.ray_address is not None:
        raise RecipeError(["--ray-address needs --engine ray"])
    return None
