"""The stage's work: tokenise, train one model or one a fold, choose and decide on dev, predict test, record."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from transformers import PreTrainedTokenizerBase

from final_project.model.folder import load_tokenizer
from final_project.model.start_folder import resolve_init
from final_project.parallel.world import World
from final_project.run.previous_runs import RECORD_NAME
from final_project.run.result_files import ResultFiles
from final_project.run.stage_folder import StageFolder
from final_project.settings import Recipe
from final_project.tokens.token_table import is_token_table_whole, open_token_table, write_token_table
from final_project.training.precision import resolve_precision
from similarity_v0 import two_labels
from similarity_v0.decision.row_target import FinishedTraining, Target
from similarity_v0.folds.train import fit_folds
from similarity_v0.record import append_record
from similarity_v0.splits import NAMES, choose_rows
from similarity_v0.target_kinds import target_of
from similarity_v0.training_run import Fitted, Material, train_model

log = logging.getLogger(__name__)


def fit(recipe: Recipe, folder: StageFolder, world: World) -> tuple[list[str], dict]:
    """Fine-tune on every rank; returns the written files and the facts for the manifest."""
    settings = recipe.similarity_v0
    precision = resolve_precision(settings.precision, world.device)  # refused before anything is loaded
    place = find_start_folder(recipe, folder.run_dir)
    tokenizer = load_tokenizer(place)
    tokenizer.model_max_length = settings.max_length  # saved with it, so that others cut where training did
    target = target_of(recipe, folder.run_dir / "prepare")
    if world.is_first:
        tokenise(folder, target, tokenizer, settings.max_length)
        target.require_fit()
    world.barrier()
    # tokenizer.json stores how its last call was cut; this call makes it the same if the tables existed already
    tokenizer(*[""] * target.n_texts, truncation="longest_first", max_length=settings.max_length)
    tables = {split: open_token_table(folder.path / f"{split}_tokens") for split in NAMES}
    material = Material(recipe, place, tokenizer, tables, precision, world, target)
    rows = choose_rows(len(tables["train"]), settings.max_train_pairs, recipe.seed)
    fitted = fit_folds(material, rows, folder) if settings.folds else fit_one(material, rows, folder.path)
    n_rows = {split: len(table) for split, table in tables.items()} | {"train": fitted.n_train}
    facts = {"rows": n_rows, "updates": fitted.updates, "train_seconds": round(fitted.seconds, 3)}
    facts |= {"precision": precision, "engine": fitted.engine}
    if not world.is_first:
        return [], facts
    append_record(
        folder.path / RECORD_NAME, recipe, fitted.scores, n_train=fitted.n_train, updates=fitted.updates,
        best_step=fitted.best_step, seconds=round(fitted.seconds, 1), processes=world.size, used_precision=precision,
    )  # fmt: skip
    per_epoch = fitted.updates / max(1, settings.epochs)
    target.review(FinishedTraining(folder.path, tables["train"], rows, per_epoch, fitted.best_step))
    result = ResultFiles.of_stage(folder.path).folder
    outputs = [str(path.relative_to(folder.path)) for path in sorted(result.rglob("*")) if path.is_file()]
    return outputs, facts | {"scores": fitted.scores, "best_step": fitted.best_step}


def warn_of_nothing_learnt(folder: StageFolder, train_labels_R: np.ndarray) -> None:
    """One warning, with the figures, where a model of pairs is no better on dev than rules that need no training."""
    two_labels.warn_of_nothing_learnt(folder.path, folder.run_dir / "prepare", train_labels_R)


def fit_one(material: Material, rows: np.ndarray, folder: Path) -> Fitted:
    """One model on all the rows."""
    trained = train_model(material, rows, folder, "similarity_v0")
    return Fitted.of(trained, trained.task.finish())


def find_start_folder(recipe: Recipe, run_dir: Path) -> str:
    """The folder to start from: similarity_v0.init where given, else what posttrain has exported."""
    if recipe.similarity_v0.init:
        return resolve_init(recipe.similarity_v0.init, allow_download=False)
    posttrain = StageFolder(run_dir, "posttrain")
    posttrain.outputs()
    manifest = posttrain.manifest()
    assert manifest is not None, "outputs() raises ArtifactError without one"
    return str(posttrain.path / manifest["model"])


def tokenise(folder: StageFolder, target: Target, tokenizer: PreTrainedTokenizerBase, max_length: int) -> None:
    """Write a token table for each split that an earlier, interrupted run has not left."""
    for split in NAMES:
        place = folder.path / f"{split}_tokens"
        if is_token_table_whole(place):
            continue
        rows = target.rows(split)
        n_truncated = write_token_table(rows, tokenizer, max_length, place, labels=target.column)
        log.info(
            "similarity_v0: %s: %d %s, %d cut to %d tokens", split, len(rows), target.noun, n_truncated, max_length
        )
