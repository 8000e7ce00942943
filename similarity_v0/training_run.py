"""One model trained from the start weights: model, engine, loop. The stage does this once, or once a fold."""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from transformers import PreTrainedTokenizerBase

from final_project.artifacts import end_replacement
from final_project.model.folder import longest_input
from final_project.model.inspection import require_fit
from final_project.parallel.world import World
from final_project.settings import Precision, Recipe
from final_project.tokens.token_table import TokenTable
from final_project.training.engines import build_engine
from final_project.training.loop import run_loop
from final_project.training.throughput import count_model_work
from similarity_v0.decision.row_target import Target
from similarity_v0.model import pair_model_from
from similarity_v0.param_groups import pair_groups
from similarity_v0.task import PairTask

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Material:
    """What every training of the stage starts from. place: the folder of the start weights."""

    recipe: Recipe
    place: str
    tokenizer: PreTrainedTokenizerBase
    tables: dict[str, TokenTable]
    precision: Precision
    world: World
    target: Target


@dataclass(frozen=True)
class Trained:
    """The task is at the last update; its best weights are in its folder. seconds: of this process, after a resume."""

    task: PairTask
    updates: int
    seconds: float


@dataclass(frozen=True)
class Fitted:
    """What the manifest and the record hold about a training. scores: by split. n_train: pairs that were trained on."""

    scores: dict[str, dict[str, float]]
    n_train: int
    updates: int
    seconds: float
    best_step: int
    engine: dict[str, Any]

    @classmethod
    def of(cls, trained: Trained, scores: dict[str, dict[str, float]]) -> Fitted:
        task = trained.task
        n_train, evidence = len(task.train_rows), task.engine.evidence()
        return cls(scores, n_train, trained.updates, trained.seconds, task.best["step"], evidence)


def train_model(material: Material, rows: np.ndarray, folder: Path, label: str) -> Trained:
    """Train on some rows of the train table, on every rank; resumes what an interrupted run left in folder."""
    recipe, world = material.recipe, material.world
    if world.is_first:
        end_replacement(folder / "best")
    world.barrier()
    settings = recipe.similarity_v0
    model = pair_model_from(material.place, recipe.seed, settings, material.target.outputs)
    if scale := material.target.scale_of(material.tables["train"].labels[rows]):
        model.scale_outputs(scale.mean_C.tolist(), scale.factor_C.tolist())
    require_fit(
        material.place, model.classifier, material.tokenizer, pairs=material.target.n_texts == 2,
        setting="similarity_v0.max_length",
        max_length=settings.max_length, longest=longest_input(model.classifier, material.tokenizer),
    )  # fmt: skip
    n_weights = model.classifier.num_parameters()
    work = count_model_work(model.classifier)  # counted before the engine shards the weights
    engine = build_engine(settings.engine, model, settings, material.precision, world, pair_groups)
    task = PairTask(engine, model, recipe, material.tokenizer, material.tables, rows, folder, material.target)
    work = replace(work, passes=task.tricks.n_passes)
    log.info(
        "%s: %d %s, %.1f M weights from %s, %s in %s on %d x %s",
        label, len(rows), material.target.noun, n_weights / 1e6, material.place,
        engine.name, material.precision, world.size, world.device.type,
    )  # fmt: skip
    began = time.monotonic()
    n_updates = run_loop(task, engine, settings, recipe.seed, settings.eval_every, folder, label, work)
    return Trained(task, n_updates, time.monotonic() - began)
