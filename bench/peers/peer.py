"""What the peers share: one command line, the same pairs and the same budget, one way to be judged and written down.

A peer is a function that takes a Job and hands back Trained. Its clock starts when the pairs have been read: features,
vocabulary, tokens, measuring the speed, training and evaluations on the way all count. Dev chooses what ours lets it
choose: the checkpoint and the threshold.
"""

from __future__ import annotations

import argparse
import os
import platform
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

from final_project.artifacts import file_digest, write_json  # noqa: E402
from final_project.cli import print_json, run_main  # noqa: E402
from final_project.data.files.predictions import require_known_form, write_predictions  # noqa: E402
from final_project.data.files.tables import read_pairs  # noqa: E402
from final_project.data.records import Pair  # noqa: E402
from final_project.errors import EnvironmentProblem, RecipeError  # noqa: E402
from similarity_v0.decision.threshold import best_threshold  # noqa: E402
from similarity_v0.splits import choose_rows, require_labels  # noqa: E402

EVALUATIONS = (10, 5, 2, 1)  # how often dev may be looked at on the way
EVALUATION_SHARE = 0.1  # of the time, at most: whoever looks at dev more often trains less
FORWARD_SHARE = 1 / 3  # of an update's arithmetic: the backward pass takes twice the forward's
FIRST_UPDATES = 3  # not timed: memory is found and kernels are chosen
PROBE_UPDATES, PROBE_SHARE = 100, 0.04
"""An update's time is measured over so many of them, or over this share of the budget where that is less."""


@dataclass(frozen=True)
class Job:
    """What a peer is given. budget_s: seconds of training. updates: so many instead. epochs: no more than these.
    model: the folder to start from, for peers that ask for one. began: when the clock started (perf_counter)."""

    train: Sequence[Pair]
    dev: Sequence[Pair]
    seed: int
    threads: int
    budget_s: float
    updates: int | None = None
    epochs: float | None = None
    model: Path | None = None
    options: argparse.Namespace = field(default_factory=argparse.Namespace)
    began: float = field(default_factory=time.perf_counter)

    @property
    def spent_s(self) -> float:
        return time.perf_counter() - self.began

    @property
    def train_labels_N(self) -> np.ndarray:
        return np.array([pair.label for pair in self.train])

    @property
    def dev_labels_N(self) -> np.ndarray:
        return np.array([pair.label for pair in self.dev])

    def dev_accuracy(self, probabilities_N: np.ndarray) -> float:
        """At the threshold that is best on dev, which is what chooses the checkpoint."""
        return best_threshold(probabilities_N, self.dev_labels_N)[1]


@dataclass(frozen=True)
class Course:
    """updates: how many; a multiple of `every`, after which dev is looked at; None: it is not."""

    updates: int
    every: int | None

    @property
    def evaluations(self) -> int:
        return self.updates // self.every if self.every else 0


@dataclass(frozen=True)
class Trained:
    """What a peer hands back. probabilities_N: P(1) of the dev pairs. train_s: by the job's clock. pairs_seen: with
    repeats. more: what else is worth knowing."""

    probabilities_N: np.ndarray
    settings: dict[str, Any]
    parameters: int
    train_s: float
    pairs_seen: int
    packages: tuple[str, ...]
    more: dict[str, Any] = field(default_factory=dict)


def lay_out(job: Job, batch: int, update_s: Callable[[], float]) -> Course:
    """As many updates as fit into what is left of the budget, evaluations included; or the job's own number.

    update_s: measures the seconds of an update, where they are asked for. A number of updates always has the same
    evaluations, so that a run is repeated by it. Raises RecipeError where nothing of the budget is left.
    """
    if job.updates is not None:
        return _course(job, batch, job.updates)
    seconds = update_s()
    left = (job.budget_s - job.spent_s) / seconds
    if left < 1:
        raise RecipeError([f"--minutes: expected more than {job.spent_s / 60:.2f}, which getting ready took"])
    most = left if job.epochs is None else min(left, job.epochs * len(job.train) / batch)
    looking = _course(job, batch, _rounded(most)).evaluations * _evaluation_updates(job, batch)
    return _course(job, batch, _rounded(min(most, left - looking)))


def _course(job: Job, batch: int, updates: int) -> Course:
    most = EVALUATION_SHARE * updates / _evaluation_updates(job, batch)
    counts = (count for count in EVALUATIONS if count <= most and updates % count == 0)
    count = next(counts, 0)
    return Course(updates, updates // count if count else None)


def _evaluation_updates(job: Job, batch: int) -> float:
    """How many updates take as long as an evaluation."""
    return FORWARD_SHARE * len(job.dev) / batch


def _rounded(updates: float) -> int:
    """Down to a number that most of EVALUATIONS divide."""
    return int(updates) // EVALUATIONS[0] * EVALUATIONS[0] or max(1, int(updates))


def run_peer(
    name: str,
    about: str,
    train: Callable[[Job], Trained],
    argv: Sequence[str] | None = None,
    add_arguments: Callable[[argparse.ArgumentParser], None] | None = None,
) -> int:
    """The command line of a peer; returns the exit status."""
    return run_main(lambda given: _run(name, train, _parser(about, add_arguments).parse_args(given)), argv)


def _parser(about: str, add_arguments: Callable | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--run", type=Path, required=True, help="runs/NAME, where prepare has left train.csv and dev.csv"
    )
    parser.add_argument("--minutes", type=_positive, default=30, help="budget of training, wall time (default: 30)")
    parser.add_argument("--max-pairs", type=int, default=0, help="train on so many, drawn by the seed (0: all)")
    parser.add_argument("--seed", type=int, default=111)
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="default: a thread a core")
    parser.add_argument("--output", type=Path, help="JSON file for the figures, which are printed as well")
    parser.add_argument("--predictions", type=Path, help="CSV file for dev: row,probability,label")
    if add_arguments is not None:
        add_arguments(parser)
    return parser


def add_course_arguments(parser: argparse.ArgumentParser) -> None:
    """For peers that are trained update by update."""
    parser.add_argument("--updates", type=int, help="so many instead of what fits into --minutes: repeats a run")
    parser.add_argument("--epochs", type=_positive, help="no more than so many, though --minutes would allow it")


def _positive(text: str) -> float:
    value = float(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"expected a number above 0, found {text}")
    return value


def _run(name: str, train: Callable[[Job], Trained], arguments: argparse.Namespace) -> None:
    if arguments.predictions:
        require_known_form(arguments.predictions)
    pairs, digests = {}, {}
    for split in ("train", "dev"):
        path = arguments.run / "prepare" / f"{split}.csv"
        pairs[split] = read_pairs(path, labelled=True)
        require_labels(path, split, pairs[split])
        digests[split] = file_digest(path)
    chosen = choose_rows(len(pairs["train"]), arguments.max_pairs, arguments.seed)
    job = Job(
        [pairs["train"][row] for row in chosen], pairs["dev"], arguments.seed, arguments.threads,
        arguments.minutes * 60, getattr(arguments, "updates", None), getattr(arguments, "epochs", None),
        getattr(arguments, "model", None), arguments,
    )  # fmt: skip
    with threadpool_limits(arguments.threads):
        trained = train(job)
    threshold, best = best_threshold(trained.probabilities_N, job.dev_labels_N)
    figures = {
        "peer": name, "settings": trained.settings, "seed": job.seed, "threads": job.threads, "cores": os.cpu_count(),
        "train_pairs": len(job.train), "dev_pairs": len(job.dev), "digests": digests, "budget_s": job.budget_s,
        "train_s": round(trained.train_s, 3), "pairs_per_s": round(trained.pairs_seen / trained.train_s, 1),
        "epochs": round(trained.pairs_seen / len(job.train), 2), "parameters": trained.parameters,
        "dev_accuracy_at_half": round(float(((trained.probabilities_N >= 0.5) == job.dev_labels_N).mean()), 4),
        "dev_accuracy": round(best, 4), "threshold": threshold, "versions": _versions(trained.packages), **trained.more,
    }  # fmt: skip
    if arguments.predictions:
        write_predictions(arguments.predictions, trained.probabilities_N, trained.probabilities_N >= threshold)
    if arguments.output:
        write_json(arguments.output, figures)
    print_json(figures)


def require(package: str) -> None:
    """Raises EnvironmentProblem where a peer's own package is not installed."""
    try:
        metadata.version(package)
    except metadata.PackageNotFoundError as error:
        raise EnvironmentProblem(f"{package} is not installed: pip install -r bench/requirements.txt") from error


def _versions(packages: tuple[str, ...]) -> dict[str, str]:
    return {"python": platform.python_version(), **{package: metadata.version(package) for package in packages}}
