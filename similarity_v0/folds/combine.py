"""Combine the models of all folds: one set of predictions, its decision, and one model folder.

Shapes: R training rows, K folds, B pairs of a split, C classes.
"""

from __future__ import annotations

import csv
import logging
import math
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import load_file

from final_project.artifacts import folder_atomic, read_json, write_atomic, write_json, write_text
from final_project.errors import ArtifactError
from final_project.model.custom_parts import custom_embeddings
from final_project.model.decision import Decision
from final_project.model.folder import load_classifier
from final_project.run.result_files import ResultFiles
from similarity_v0.decision.results import Labelled, best_by, decide, score_splits, scores_at, write_results
from similarity_v0.export.model_card import model_card
from similarity_v0.folds.ensemble_methods import Method, combined, fitted_weights
from similarity_v0.folds.model_soup import greedy_choice, write_soup
from similarity_v0.model import PairModel
from similarity_v0.probabilities import predict_probabilities
from similarity_v0.training_run import Material

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Fold:
    """One trained fold: its model folder, its facts.json, its answers for "dev", "test" and "oof"; of pairs P(1)."""

    model: Path
    facts: dict
    answers: dict[str, np.ndarray]

    @property
    def positive(self) -> dict[str, np.ndarray]:
        return self.answers


def read_fold(folder: Path) -> Fold:
    facts = read_json(folder / "facts.json")
    return Fold(ResultFiles.of_stage(folder).model, facts, load_file(folder / "probabilities.safetensors"))


@dataclass(frozen=True)
class ChosenModel:
    """numbers: the folds that it is made of. why: in words. decision: None if the fold's own folder has it."""

    numbers: list[int]
    why: str
    decision: Decision | None = None


def choose_model(material: Material, folds: list[Fold], scratch: Path) -> ChosenModel:
    """Choose the model of result/model: the fold that is best on dev, or a greedy soup."""
    settings, world = material.recipe.similarity_v0, material.world
    scores = [best_by(settings, fold.facts["scores"]["dev"]) for fold in folds]
    best = int(np.argmax(scores))
    if settings.fold_model == "best":
        return ChosenModel([best], f"fold {best} has the best {settings.best_by} on dev, {abs(scores[best]):.4f}")
    labels_B = material.tables["dev"].labels.astype(np.int64)
    probabilities: dict[tuple[int, ...], np.ndarray] = {}

    def score_of(numbers: list[int]) -> float:
        if world.is_first:
            shutil.rmtree(scratch, ignore_errors=True)
            write_soup([folds[number].model for number in numbers], scratch)
        world.barrier()
        model, tokenizer = load_classifier(scratch)
        dev_BC = predict_probabilities(
            PairModel(model).to(world.device), material.tables["dev"], tokenizer.pad_token_id, world
        )
        probabilities[tuple(numbers)] = dev_BC
        decision = decide(settings, dev_BC, labels_B)
        return best_by(settings, scores_at(settings, decision, dev_BC, labels_B))

    numbers, score = greedy_choice(scores, score_of)
    shutil.rmtree(scratch, ignore_errors=True)
    why = f"{settings.best_by} on dev {abs(score):.4f}, against {abs(scores[best]):.4f} of fold {best} alone"
    if len(numbers) == 1:
        return ChosenModel(numbers, f"no soup was better than fold {best}: {why}")
    decision = decide(settings, probabilities[tuple(numbers)], labels_B)
    return ChosenModel(numbers, f"greedy soup of folds {', '.join(map(str, numbers))}: {why}", decision)


def write_ensemble(
    material: Material, rows: np.ndarray, fold_R: np.ndarray, folds: list[Fold], model: ChosenModel, result: Path
) -> dict:
    """Write result/; returns the ensemble's scores by split."""
    settings, seed = material.recipe.similarity_v0, material.recipe.seed
    labels = {split: table.labels.astype(np.int64) for split, table in material.tables.items()}
    weights = None
    if settings.ensemble == "weighted":
        weights = fitted_weights([fold.positive["dev"] for fold in folds], labels["dev"])
    both = {
        split: two_classes(combined(settings.ensemble, [fold.positive[split] for fold in folds], weights))
        for split in ("dev", "test")
    }
    oof_R = np.empty(len(rows))
    for number, fold in enumerate(folds):
        # out-of-fold rows have one prediction each: averaging is a no-op, ranking is not
        single: Method = "rank" if settings.ensemble == "rank" else "mean"
        oof_R[fold_R == number] = combined(single, [fold.positive["oof"]])
    oof_RC = two_classes(oof_R)
    found_on = Labelled("dev", both["dev"], labels["dev"])
    if settings.ensemble_cut == "oof_and_dev":
        train_labels_R = labels["train"][rows]
        found_on = Labelled(
            "oof_and_dev", np.concatenate([oof_RC, both["dev"]]), np.concatenate([train_labels_R, labels["dev"]])
        )
    decision = decide(settings, found_on.probabilities_BC, found_on.labels_B)
    scores = score_splits(settings, decision, both, labels)
    facts: dict[str, Any] = {
        "folds": [fold.facts for fold in folds],
        "positive_share": [float(labels["train"][rows][fold_R == number].mean()) for number in range(len(folds))],
        "oof": scores_at(settings, decision, oof_RC, labels["train"][rows]),
        "ensemble": {
            "method": settings.ensemble,
            "weights": None if weights is None else weights.tolist(),
            "scores": scores,
            "decision_found_on": found_on.name,
            "threshold": decision.threshold,
            "calibration": decision.calibration.facts() if decision.calibration else None,
        },
        "model": {"folds": model.numbers, "why": model.why},
    }
    with folder_atomic(result) as partial:
        if model.decision:
            write_soup([folds[number].model for number in model.numbers], partial / "model")
            model.decision.save(partial / "model")
            n_rows = {"train": len(rows), "dev": len(labels["dev"])}
            own = custom_embeddings(load_classifier(partial / "model")[0])
            card = model_card(material.recipe, {}, model.decision, n_rows, own, made=model.why)
            write_text(partial / "model" / "README.md", card)
        else:
            shutil.copytree(folds[model.numbers[0]].model, partial / "model")
        write_results(partial, settings, seed, decision, both, labels, found_on)
        write_oof(partial / "oof.csv", rows, fold_R, oof_RC, decision)
        write_json(partial / "folds.json", facts)
    log.info("similarity_v0: result/model: %s", model.why)
    for split, values in {**scores, "out of fold": facts["oof"]}.items():
        shown = "  ".join(f"{key} {value:.4f}" for key, value in values.items())
        log.info("similarity_v0: ensemble of %d folds on %s: %s", len(folds), split, shown)
    return scores


def write_oof(path: Path, rows: np.ndarray, fold_R: np.ndarray, oof_RC: np.ndarray, decision: Decision) -> None:
    """CSV `row,fold,probability,label`: row of train.csv from 0; P(1) by the model that has not seen it."""
    with write_atomic(path) as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["row", "fold", "probability", "label"])
        columns = (rows, fold_R, decision.positive(oof_RC), decision.labels(oof_RC))
        for row, fold, probability, label in zip(*(column.tolist() for column in columns), strict=True):
            if not math.isfinite(probability):
                raise ArtifactError(f"{path}: not written: row {row} has no finite probability")
            writer.writerow([row, fold, f"{probability:.9f}", label])


def two_classes(positive_B: np.ndarray) -> np.ndarray:
    """P(1), (B,) -> (B, 2)."""
    return np.stack([1 - positive_B, positive_B], axis=1)
