"""Runs the trials of a sweep: each is an ordinary run of the stage, in its own process and folder.

    runs/<recipe>/sweeps/<sweep>/<trial>/prepare, posttrain    links to what the base recipe's stages made
                                        /similarity_v0/        as any run leaves it
                                        /log.txt               what the run printed

So a finished trial is found by its manifest and skipped, and an interrupted one resumes from its checkpoint.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from final_project.artifacts import read_json
from final_project.data.files.predictions import read_predictions
from final_project.data.files.tables import iter_pairs
from final_project.errors import ArtifactError, ProjectError
from final_project.parallel.signals import ending_signals
from final_project.run.launch import nodes_from_environment, stage_command
from final_project.run.result_files import ResultFiles
from final_project.run.stage_folder import StageFolder
from final_project.run.stage_key import training_stage_state
from similarity_v0.sweep.spec import STAGE, Sweep, Trial

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrialResult:
    """What became of a trial. scores: by split and figure, None unless finished. right_N: which dev pairs it decided
    rightly, None where that is not known. problem: why it failed. was_run: by this call, not by an earlier one."""

    trial: Trial
    scores: dict[str, dict[str, float]] | None = None
    right_N: np.ndarray | None = None
    train_s: float = 0.0
    problem: str = ""
    was_run: bool = True

    def dev(self, metric: str) -> float:
        """The figure of dev by which trials are compared; raises ArtifactError where there is none of that name."""
        figures = (self.scores or {}).get("dev", {})
        if metric not in figures:
            known = ", ".join(sorted(figures))
            raise ArtifactError(f"{self.trial.name}: dev has no metric {metric!r}; choose one of {known}")
        return figures[metric]


class Runner:
    """Runs trials one after the other. force: also those that have finished."""

    def __init__(self, sweep: Sweep, force: bool = False):
        self.sweep, self.force = sweep, force
        self.run_dir = Path(sweep.recipe.runs_dir) / sweep.recipe.name
        self._labels_N: np.ndarray | None = None

    def require_base(self) -> None:
        """Raises ArtifactError where a stage that all trials read from has not finished."""
        for stage in self._needed:
            try:
                StageFolder(self.run_dir, stage).outputs()
            except ArtifactError as error:
                raise ArtifactError(f"{error} --recipe {self.sweep.recipe_name}") from error

    def command(self, trial: Trial) -> list[str]:
        """The command line of one trial, as `plan` has it for any run."""
        recipe, overrides = self.sweep.build_recipe(trial), self.sweep.build_overrides(trial)
        name, nodes = self.sweep.recipe_name, nodes_from_environment()
        return ["env", *stage_command(recipe, STAGE, name, self.force, overrides, nodes)]

    def run(self, trial: Trial) -> TrialResult:
        """Train one trial unless it has finished. A signal to this process ends it, and then SystemExit is raised."""
        self._link_earlier_stages(trial)
        is_finished = False
        try:
            is_finished = training_stage_state(self.sweep.build_recipe(trial), STAGE).is_finished and not self.force
            problem = "" if is_finished else self._train(trial)
        except ProjectError as error:  # such as a folder to start from that is not there: one trial's, not the sweep's
            problem = str(error)
        return TrialResult(trial, problem=problem) if problem else self.outcome(trial, was_run=not is_finished)

    def outcome(self, trial: Trial, was_run: bool) -> TrialResult:
        """What a finished trial has left."""
        folder = StageFolder(self.sweep.folder / trial.name, STAGE)
        manifest = folder.manifest()
        assert manifest is not None, "the stage has finished"
        files = ResultFiles.of_stage(folder.path)
        scores = read_json(files.scores)
        return TrialResult(
            trial, scores, self._right(files.predictions("dev")),
            manifest.get("train_seconds", 0.0), was_run=was_run,
        )  # fmt: skip

    @property
    def _needed(self) -> tuple[str, ...]:
        return ("prepare",) if self.sweep.recipe.similarity_v0.init else ("prepare", "posttrain")

    def _link_earlier_stages(self, trial: Trial) -> None:
        folder = self.sweep.folder / trial.name
        try:
            folder.mkdir(parents=True, exist_ok=True)
            for stage in self._needed:
                link = folder / stage
                if not link.is_symlink():
                    link.symlink_to(os.path.relpath(self.run_dir / stage, folder), target_is_directory=True)
        except OSError as error:
            raise ArtifactError(f"{folder}: cannot write: {error.strerror}") from error

    def _train(self, trial: Trial) -> str:
        """Run the trial's command; returns why it failed, or nothing."""
        log_path = self.sweep.folder / trial.name / "log.txt"
        with log_path.open("w", encoding="utf-8") as log_file:
            process = subprocess.Popen(self.command(trial), stdout=subprocess.DEVNULL, stderr=log_file)
            with signals_passed_on(process) as asked:
                status = process.wait()
        if asked:
            raise SystemExit(128 + asked[0])
        if status == 0:
            return ""
        lines = log_path.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        end = f"ended by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"
        return f"{lines[-1] if lines else 'it printed nothing'} ({end}; {log_path})"

    def _right(self, predictions: Path) -> np.ndarray | None:
        """Which dev pairs were decided rightly, in the order of dev.csv."""
        if not predictions.is_file():
            return None
        if self._labels_N is None:
            labels = (pair.label for pair in iter_pairs(self.run_dir / "prepare" / "dev.csv"))
            self._labels_N = np.fromiter(labels, np.int64)
        _, decided_N = read_predictions(predictions)
        return decided_N == self._labels_N if decided_N.shape == self._labels_N.shape else None


@contextlib.contextmanager
def signals_passed_on(process: subprocess.Popen) -> Iterator[list[int]]:
    """Pass SIGTERM and SIGINT on to the process; yields the list in which they are noted."""
    asked: list[int] = []

    def pass_on(number: int, _frame: Any) -> None:
        asked.append(number)
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(number)

    with ending_signals(pass_on):
        yield asked
