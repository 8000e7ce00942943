"""Trials whose settings Optuna chooses. The study is a journal file in the sweep's folder, so a search resumes where it
was ended: finished choices are kept, and one that was running is run to its end."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from statistics import mean
from typing import Any

from final_project.errors import ArtifactError, EnvironmentProblem, first_line
from final_project.recipe import dotted_fields
from similarity_v0.sweep.runner import Runner, TrialResult
from similarity_v0.sweep.spec import Axis, OptunaSearch, Sweep, Trial

log = logging.getLogger(__name__)

STUDY_FILE = "optuna_journal.log"
LOWEST_IS_BEST = ("loss", "cost", "mcrmse", "mae")


def search(runner: Runner) -> Iterator[TrialResult]:
    """Yield the outcomes of all choices, those of earlier calls included, until the file's number is reached."""
    optuna, sweep = _optuna(), runner.sweep
    wanted = sweep.search
    assert wanted is not None, "the sweep file has no section optuna"
    study = _study(optuna, sweep, wanted)
    space = {key: _distribution(optuna, key, axis) for key, axis in wanted.space.items()}
    for number in range(wanted.trials):
        known = study.get_trials(deepcopy=False)
        if number < len(known) and known[number].params.keys() != space.keys():
            # ended while it was being chosen, or another space was searched here
            if not known[number].state.is_finished():
                study.tell(number, state=optuna.trial.TrialState.FAIL)
            continue
        chosen = known[number].params if number < len(known) else study.ask(space).params
        outcomes = [runner.run(Trial(f"t{number:03d}", seed, chosen)) for seed in sweep.seeds]
        yield from outcomes
        if number >= len(known) or not known[number].state.is_finished():
            _report_scores(optuna, study, number, outcomes, sweep.metric)


def reset_study(sweep: Sweep) -> None:
    """Start the search again from nothing."""
    (sweep.folder / STUDY_FILE).unlink(missing_ok=True)


def _report_scores(optuna: Any, study: Any, number: int, outcomes: list[TrialResult], metric: str) -> None:
    if any(outcome.problem for outcome in outcomes):
        study.tell(number, state=optuna.trial.TrialState.FAIL)
        return
    study.tell(number, mean(outcome.dev(metric) for outcome in outcomes))
    log.info("sweep: best so far: %s", study.best_trial.params)


def _study(optuna: Any, sweep: Sweep, wanted: OptunaSearch) -> Any:
    path = sweep.folder / STUDY_FILE
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        storage = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend(str(path)))
        direction = "minimize" if sweep.metric in LOWEST_IS_BEST else "maximize"
        study = optuna.create_study(
            storage=storage, study_name=sweep.name, direction=direction, load_if_exists=True
        )  # fmt: skip
        # another seed after every resume, or random choices would come again
        study.sampler = _sampler(optuna, wanted, sweep.recipe.seed + len(study.trials))
    except (OSError, ValueError, KeyError) as error:
        raise ArtifactError(f"{path}: cannot read the study ({first_line(error)}); --force starts a new one") from error
    return study


def _sampler(optuna: Any, wanted: OptunaSearch, seed: int) -> Any:
    if wanted.sampler == "random":
        return optuna.samplers.RandomSampler(seed=seed)
    return optuna.samplers.TPESampler(seed=seed)


def _distribution(optuna: Any, key: str, axis: Axis) -> Any:
    if axis.choices:
        return optuna.distributions.CategoricalDistribution(axis.choices)
    assert axis.low is not None and axis.high is not None, "Axis.is_one_kind requires both"
    if dotted_fields()[key].annotation is int:
        return optuna.distributions.IntDistribution(int(axis.low), int(axis.high), log=axis.log)
    return optuna.distributions.FloatDistribution(axis.low, axis.high, log=axis.log)


def _optuna() -> Any:
    try:
        import optuna
    except ModuleNotFoundError as error:
        raise EnvironmentProblem("a search needs the package optuna: .venv/bin/pip install optuna") from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
