"""Texts with one of many named labels, as a Target.

    result/dev_predictions.csv  test_predictions.csv   id,label,probability: the most probable label
    result/scores.json          accuracy, macro-F1 and log loss of each split with labels
    result/labels.csv           of each split and label: rows, precision, recall, F1
    result/baselines.json       the same figures of the most frequent label, and of TF-IDF with a linear classifier
Macro-F1 is the mean of F1 over the labels that occur in the gold labels or the predictions. Shapes: N rows, C labels.
"""

from __future__ import annotations

import csv
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.metrics import f1_score, log_loss, precision_recall_fscore_support
from sklearn.svm import LinearSVC

from final_project.artifacts import read_json, write_atomic, write_json
from final_project.data.files.text_columns import TextColumns
from final_project.data.files.text_rows import read_text_rows
from final_project.data.records import TextRow
from final_project.errors import DataError
from final_project.model.heads.outputs import Outputs
from final_project.model.scale import LABELS_FILE
from final_project.settings import Recipe
from final_project.settings.targets import MOST_LABELS
from final_project.tokens.token_table import LabelColumn, Row, TokenTable
from similarity_v0.decision.review import write_curves
from similarity_v0.decision.row_target import BySplit, FinishedTraining, Scores
from similarity_v0.decision.target_scale import TargetScale

log = logging.getLogger(__name__)

COSTS = (0.1, 1.0, 10.0)  # of the linear baseline; dev chooses
UNKNOWN = -1


@dataclass(frozen=True)
class MostProbable:
    """The label is the most probable one. names: of the outputs, in their order."""

    names: tuple[str, ...]

    def clipped(self, answers_NC: np.ndarray) -> np.ndarray:
        """Probabilities have no scale to be cut to."""
        return answers_NC

    def save(self, folder: Path) -> None:
        write_json(folder / LABELS_FILE, {"names": list(self.names)})


class NamedLabels:
    n_texts = 1
    noun = "texts"
    column = LabelColumn("int16")

    def __init__(self, recipe: Recipe, prepare: Path):
        """Raises DataError where the training texts have more labels than are possible."""
        self.settings, self.prepare = recipe.similarity_v0, prepare
        self.columns = TextColumns.of_prepared(recipe.targets)
        found = {row.label for row in self.read("train") if row.label is not None}
        self.names = tuple(recipe.targets.names) or tuple(sorted(found))
        if not 2 <= len(self.names) <= MOST_LABELS:
            raise DataError(prepare / "train.csv", f"{len(self.names)} labels; from 2 to {MOST_LABELS:,} are possible")
        self.number_of = {name: number for number, name in enumerate(self.names)}
        self.outputs: Outputs | None = Outputs(self.names, "single_label_classification")

    def read(self, split: str) -> list[TextRow]:
        return read_text_rows(self.prepare / f"{split}.csv", self.columns)

    @cached_property
    def ids(self) -> dict[str, list[str]]:
        return {split: [row.id for row in self.read(split)] for split in ("dev", "test")}

    def rows(self, split: str) -> list[Row]:
        return [(row.text, None, self._number(split, row)) for row in self.read(split)]

    def _number(self, split: str, row: TextRow) -> int | None:
        if row.label is not None and row.label not in self.number_of:
            what = f"id {row.id}: the label {row.label[:40]!r} is none of the training texts'"
            raise DataError(self.prepare / f"{split}.csv", what)
        return None if row.label is None else self.number_of[row.label]

    def require_fit(self) -> None:
        """prepare has checked everything: nothing is found on dev."""

    def truth(self, table: TokenTable) -> np.ndarray:
        return table.labels.astype(np.int64)

    def answers(self, logits_BC: torch.Tensor) -> np.ndarray:
        return torch.softmax(logits_BC.detach().double(), dim=-1).cpu().numpy()

    def figures(self, answers_NC: np.ndarray, truth: np.ndarray) -> dict[str, float]:
        known_N = truth != UNKNOWN
        answers_NC, truth = answers_NC[known_N], truth[known_N]
        loss = log_loss(truth, np.clip(answers_NC, 1e-15, 1), labels=np.arange(len(self.names)))
        return {**decided_figures(answers_NC.argmax(axis=1), truth), "loss": float(loss)}

    def worth(self, figures: Mapping[str, float]) -> float:
        value = figures[self.settings.best_by]
        return -value if self.settings.best_by == "loss" else value

    def scale_of(self, given_R: np.ndarray) -> TargetScale | None:
        return None

    def decide(self, answers_NC: np.ndarray, truth: np.ndarray) -> MostProbable:
        return MostProbable(self.names)

    def score_splits(self, rule: MostProbable, answers: BySplit, truth: BySplit) -> Scores:
        known = {split: a_NC for split, a_NC in answers.items() if (truth[split] != UNKNOWN).any()}
        return {split: self.figures(a_NC, truth[split]) for split, a_NC in known.items()}

    def kept_of_fold(self, answers_NC: np.ndarray) -> np.ndarray:
        return answers_NC

    def write_results(self, folder: Path, rule: MostProbable, answers: BySplit, truth: BySplit) -> None:
        for split, answers_NC in answers.items():
            decided_N = answers_NC.argmax(axis=1)
            with write_atomic(folder / f"{split}_predictions.csv") as file:
                writer = csv.writer(file, lineterminator="\n")
                writer.writerow(["id", "label", "probability"])
                columns = zip(self.ids[split], decided_N.tolist(), answers_NC.max(axis=1).tolist(), strict=True)
                writer.writerows((name, self.names[number], f"{share:.9f}") for name, number, share in columns)
        write_json(folder / "scores.json", self.score_splits(rule, answers, truth))
        with write_atomic(folder / "labels.csv") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["split", "label", "rows", "precision", "recall", "f1"])
            for split in self.score_splits(rule, answers, truth):
                known_N = truth[split] != UNKNOWN
                writer.writerows(self._table(split, answers[split].argmax(axis=1)[known_N], truth[split][known_N]))

    def _table(self, split: str, decided_N: np.ndarray, truth_N: np.ndarray) -> list[list[Any]]:
        labels = np.arange(len(self.names))
        of_each = precision_recall_fscore_support(truth_N, decided_N, labels=labels, zero_division=0)
        columns = zip(self.names, of_each[3].tolist(), *(part.tolist() for part in of_each[:3]), strict=True)
        return [[split, name, rows, f"{p:.6f}", f"{r:.6f}", f"{f:.6f}"] for name, rows, p, r, f in columns]

    def review(self, trained: FinishedTraining) -> None:
        write_curves(trained.stage, trained.updates_per_epoch, trained.best_step)
        rules = self._baselines(trained.rows)
        write_json(trained.stage / "result" / "baselines.json", rules)
        for name, splits in rules.items():
            for split, figures in splits.items():
                shown = "  ".join(f"{key} {value:.4f}" for key, value in figures.items())
                log.info("similarity_v0: beside it, %s on %s: %s", name.replace("_", " "), split, shown)

        ours = read_json(trained.stage / "result" / "scores.json")["dev"]
        if ours["accuracy"] <= rules["most_frequent_label"]["dev"]["accuracy"]:
            log.warning(
                "similarity_v0: WARNING: on dev this model is no better than always giving the most frequent label; "
                "its explanations say nothing about the texts"
            )

    def _baselines(self, rows_R: np.ndarray) -> dict[str, Scores]:
        train = self.read("train")
        texts, labels_R = (
            [train[row].text for row in rows_R],
            np.array([self._number("train", train[r]) for r in rows_R]),
        )
        vectoriser = TfidfVectorizer(analyzer="char", ngram_range=(1, 2), sublinear_tf=True, min_df=2, lowercase=True)
        features = vectoriser.fit_transform(texts)
        models = [LinearSVC(C=cost, random_state=0).fit(features, labels_R) for cost in COSTS]
        most = np.bincount(labels_R).argmax()
        found: dict[str, Scores] = {"most_frequent_label": {}, "tfidf_linear": {}}
        best = models[0]
        for split in ("dev", "test"):
            rows = self.read(split)
            truth = np.array([UNKNOWN if row.label is None else self.number_of[row.label] for row in rows])
            known_N = truth != UNKNOWN
            if not known_N.any():
                continue
            given = vectoriser.transform([row.text for row, known in zip(rows, known_N, strict=True) if known])
            if split == "dev":
                best = max(models, key=lambda model: float((model.predict(given) == truth[known_N]).mean()))
            found["most_frequent_label"][split] = decided_figures(np.full(known_N.sum(), most), truth[known_N])
            found["tfidf_linear"][split] = decided_figures(best.predict(given), truth[known_N])
        return found


def decided_figures(decided_N: np.ndarray, truth_N: np.ndarray) -> dict[str, float]:
    occurring = np.union1d(decided_N, truth_N)
    macro = f1_score(truth_N, decided_N, labels=occurring, average="macro", zero_division=0)
    return {"accuracy": float((decided_N == truth_N).mean()), "macro_f1": float(macro)}
