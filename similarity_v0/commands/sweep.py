"""The `sweep` command: train the variants of a recipe over seeds, and compare them in a table.

It imports neither torch nor a model: each trial is a process (sweep_run.py).
"""

from __future__ import annotations

import argparse
import logging
import shlex
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from final_project.cli import print_json
from final_project.errors import EnvironmentProblem
from final_project.run.launch import nodes_from_environment
from similarity_v0.sweep import search as sweep_search
from similarity_v0.sweep.runner import Runner, TrialResult
from similarity_v0.sweep.spec import read_sweep
from similarity_v0.sweep.table import write_tables

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, help="YAML with the base recipe, the variants and the seeds")
    parser.add_argument("--recipe", default="", help="base recipe, instead of the one that the file names")
    parser.add_argument("--force", action="store_true", help="run finished trials again")
    parser.add_argument("--dry-run", action="store_true", help="print the command of every trial and run nothing")
    parser.add_argument("overrides", nargs="*", metavar="key=value", help="settings for all trials, after --")


def run(arguments: argparse.Namespace) -> int:
    """Train every variant with every seed, those that have not finished; end with a table of what helped.

    The exit status is 1 where a trial has failed.
    """
    if nodes_from_environment()["NNODES"] > 1:
        raise EnvironmentProblem("a sweep runs on one machine: unset NNODES")
    sweep = read_sweep(arguments.file, arguments.recipe, tuple(arguments.overrides))
    runner = Runner(sweep, arguments.force)
    if arguments.dry_run:
        print("\n".join(shlex.join(runner.command(trial)) for trial in sweep.trials))
        return 0
    runner.require_base()
    if arguments.force:
        sweep_search.reset_study(sweep)
    outcomes, table = run_all(runner)
    sys.stderr.write(f"\n{table}\nsweep {sweep.name}: wrote results.md, .json and .csv to {sweep.folder}\n")
    failed = [outcome.trial.name for outcome in outcomes if outcome.problem]
    print_json({"folder": str(sweep.folder), "trials": len(outcomes), "failed": failed})
    return 1 if failed else 0


def run_all(runner: Runner) -> tuple[list[TrialResult], str]:
    """Run every trial; the table, which is returned with the outcomes, is rewritten after each."""
    sweep = runner.sweep
    total = len(sweep.trials) + (sweep.search.trials * len(sweep.seeds) if sweep.search else 0)
    outcomes, table, began = [], "", time.monotonic()
    for outcome in run_trials(runner):
        outcomes.append(outcome)
        table = write_tables(sweep, outcomes)
        found = outcome.problem and f"FAILED: {outcome.problem}"
        found = found or f"dev {sweep.metric} {outcome.dev(sweep.metric):.4f}, {outcome.train_s:.0f} s of training"
        if n_run := sum(outcome.was_run for outcome in outcomes):  # earlier calls' trials take no time in this one
            found += f", {(time.monotonic() - began) / n_run * (total - len(outcomes)) / 60:.0f} min left"
        log.info("sweep: %d/%d %s: %s", len(outcomes), total, outcome.trial.name, found)
    return outcomes, table


def run_trials(runner: Runner) -> Iterator[TrialResult]:
    yield from map(runner.run, runner.sweep.trials)
    if runner.sweep.search:
        yield from sweep_search.search(runner)
