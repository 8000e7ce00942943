"""Fine-tuning in folds: as many models as folds, each trained without the pairs of one fold, and their ensemble.

    folds/K/                 one training, resumable like any other: metrics, checkpoints, result/ (its model folder)
    folds/K/probabilities.safetensors   P(1) of dev, of test, and of the fold's own pairs, before any calibration
    folds/K/facts.json       what the manifest and folds.json say of it
    folds/K/contents.json    sizes and digests, written last: a fold that is as this says is not trained again
    result/                  the ensemble's predictions and scores, oof.csv, folds.json, and one model folder

Each sentence is in one fold only, with all pairs that it links (final_project/data/quality/groups.py). Each fold's
checkpoint is chosen by dev, as without folds, so its own pairs stay unseen.
Shapes: R training rows, K folds, B pairs of a split.
"""

from __future__ import annotations

import logging
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from final_project.artifacts import CONTENTS_FILE, damage_of, seal, write_atomic, write_json
from final_project.data.files.tables import iter_pairs
from final_project.data.files.text_columns import TextColumns
from final_project.data.files.text_rows import read_text_rows
from final_project.data.quality.fingerprints import fingerprints
from final_project.data.quality.groups import grouped_folds
from final_project.errors import DataError
from final_project.run.result_files import ResultFiles
from final_project.run.stage_folder import StageFolder
from final_project.tokens.token_table import TokenRows, TokenTable
from similarity_v0.decision.results import decide
from similarity_v0.folds.combine import choose_model, read_fold, write_ensemble, write_oof
from similarity_v0.folds.text_folds import assign_text_folds, write_text_ensemble
from similarity_v0.probabilities import predict_probabilities
from similarity_v0.training_run import Fitted, Material, train_model

log = logging.getLogger(__name__)


def fit_folds(material: Material, rows: np.ndarray, folder: StageFolder) -> Fitted:
    """Train one model per fold and combine them. rows: the training pairs.

    With one_fold only the first model is trained, in the stage's own folder, and is the stage's result. Raises
    DataError if the pairs cannot be divided into folds.
    """
    settings, world = material.recipe.similarity_v0, material.world
    if material.recipe.targets.rows != "pairs":
        return fit_text_folds(material, rows, folder)
    fold_R = assign_folds(folder.run_dir / "prepare" / "train.csv", rows, settings.folds, material.recipe.seed)
    if settings.one_fold:
        return _fit_first(material, rows, fold_R, folder.path)
    for number in range(settings.folds):
        train_fold(
            material, rows[fold_R != number], rows[fold_R == number], folder.path / "folds" / str(number), number
        )
    folds = [read_fold(folder.path / "folds" / str(number)) for number in range(settings.folds)]
    model = choose_model(material, folds, folder.path / "folds" / "soup")
    scores = {}
    if world.is_first:
        scores = write_ensemble(material, rows, fold_R, folds, model, ResultFiles.of_stage(folder.path).folder)
    scores = world.gather(scores)[0]
    return Fitted(
        scores,
        n_train=len(rows),
        updates=sum(fold.facts["updates"] for fold in folds),
        seconds=sum(fold.facts["seconds"] for fold in folds),
        best_step=folds[model.numbers[0]].facts["best_step"],
        engine=folds[0].facts["engine"],
    )


def fit_text_folds(material: Material, rows: np.ndarray, folder: StageFolder) -> Fitted:
    """The same for texts: the answers are averaged, and no threshold is found."""
    settings, world, target = material.recipe.similarity_v0, material.world, material.target
    source = folder.run_dir / "prepare" / "train.csv"
    everything = read_text_rows(source, TextColumns.of_prepared(material.recipe.targets))
    train = [everything[row] for row in rows]
    fold_R, facts = assign_text_folds(source, train, settings.folds, material.recipe.seed)
    n_trained = 1 if settings.one_fold else settings.folds
    places = [folder.path / "folds" / str(number) for number in range(settings.folds)]
    for number in range(n_trained):
        train_fold(material, rows[fold_R != number], rows[fold_R == number], places[number], number)
    folds = [read_fold(places[number]) for number in range(n_trained)]
    truth = {split: target.truth(table) for split, table in material.tables.items()}
    held_R = fold_R < n_trained
    truth["train"] = truth["train"][rows][held_R]
    ids = [row.id for row, is_held in zip(train, held_R, strict=True) if is_held]
    found: tuple[dict[str, dict[str, float]], int] = ({}, 0)
    if world.is_first:
        found = write_text_ensemble(target, ids, fold_R[held_R], folds, truth, folder.path / "result", facts)
    scores, best = world.gather(found)[0]
    return Fitted(
        scores,
        n_train=len(rows),
        updates=sum(fold.facts["updates"] for fold in folds),
        seconds=sum(fold.facts["seconds"] for fold in folds),
        best_step=folds[best].facts["best_step"],
        engine=folds[0].facts["engine"],
    )


def assign_folds(source: Path, rows: np.ndarray, n_folds: int, seed: int) -> np.ndarray:
    """The fold of each of these rows of train.csv, (R,). Raises DataError if a model would train on one label only."""
    prints = fingerprints(iter_pairs(source))[rows]
    try:
        fold_R = grouped_folds(prints.normal_N2, prints.label_N, n_folds, seed)
    except ValueError as error:
        raise DataError(source, f"{error}: take fewer folds") from error
    for number in range(n_folds):
        seen = np.unique(prints.label_N[fold_R != number])
        if len(seen) < 2:
            raise DataError(
                source, f"fold {number} of {n_folds} would leave only label-{seen[0]} pairs to train on, because pairs "
                "that share a sentence stay in one fold; use fewer folds",
            )  # fmt: skip
    sizes = np.bincount(fold_R)
    shares = ", ".join(f"{prints.label_N[fold_R == number].mean():.4f}" for number in range(n_folds))
    log.info("similarity_v0: folds of %s pairs, share of label 1 %s", ", ".join(map(str, sizes)), shares)
    if sizes.max() > 1.1 * sizes.mean():
        log.warning("similarity_v0: one fold is larger, because its pairs are linked by shared sentences")
    return fold_R


def _fit_first(material: Material, rows: np.ndarray, fold_R: np.ndarray, folder: Path) -> Fitted:
    kept, held = rows[fold_R != 0], rows[fold_R == 0]
    trained = train_model(material, kept, folder, "similarity_v0")
    scores = trained.task.finish()
    table = TableRows(material.tables["train"], held)
    oof_BC = predict_probabilities(trained.task.engine.model, table, material.tokenizer.pad_token_id, material.world)
    decision = decide(material.recipe.similarity_v0, trained.task.final["dev"], trained.task.labels["dev"])
    if material.world.is_first:
        oof = ResultFiles.of_stage(folder).folder / "oof.csv"
        write_oof(oof, held, np.zeros(len(held), dtype=np.int64), oof_BC, decision)
    return Fitted.of(trained, scores)


def train_fold(material: Material, kept: np.ndarray, held: np.ndarray, folder: Path, number: int) -> None:
    """Train without the fold's own rows and write the files that the ensemble reads. A finished fold is skipped."""
    world = material.world
    is_done = world.gather(world.is_first and is_fold_done(folder, number))[0]
    if is_done:
        log.info("similarity_v0: fold %d is trained (%s)", number, folder)
        return
    trained = train_model(material, kept, folder, f"similarity_v0 fold {number}")
    task = trained.task
    scores = task.finish()
    table = TableRows(material.tables["train"], held)
    pad_id, target = material.tokenizer.pad_token_id, material.target
    oof_BC = predict_probabilities(task.engine.model, table, pad_id, world, read=target.answers)
    if world.is_first:
        rule = target.decide(task.final["dev"], task.labels["dev"])
        scores |= target.score_splits(rule, {"oof": oof_BC}, {"oof": task.labels["train"][held]})
        answers = {name: target.kept_of_fold(a_BC) for name, a_BC in {**task.final, "oof": oof_BC}.items()}
        with write_atomic(folder / "probabilities.safetensors", "wb") as file:
            file.write(save(answers))
        facts = asdict(Fitted.of(trained, scores)) | {"n_held": len(held)}
        write_json(folder / "facts.json", facts)
        result = ResultFiles.of_stage(folder).folder
        model = [path.relative_to(folder).as_posix() for path in result.rglob("*") if path.is_file()]
        seal(folder, ["facts.json", "probabilities.safetensors", *model])
        shutil.rmtree(folder / "checkpoints", ignore_errors=True)
    world.barrier()


def is_fold_done(folder: Path, number: int) -> bool:
    """Whether an earlier run has trained this fold and its files are intact. A damaged fold is logged and removed: its
    checkpoints are gone, so it cannot be resumed."""
    if not (folder / CONTENTS_FILE).exists():
        return False
    if problem := damage_of(folder):
        log.warning("%s cannot be used (%s); fold %d is trained again", folder, problem, number)
        shutil.rmtree(folder)
    return not problem


@dataclass(frozen=True)
class TableRows:
    """A subset of the rows of a token table, for prediction."""

    table: TokenTable
    rows: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def lengths(self) -> np.ndarray:
        return self.table.lengths[self.rows]

    def __getitem__(self, numbers_B: np.ndarray) -> TokenRows:
        return self.table[self.rows[numbers_B]]
