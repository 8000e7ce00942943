"""What a person looks at after a training: files written next to its results.

result/curves.csv      a row an evaluation: step, epoch, mean training loss since the one before, figures of dev, and
                       whether these weights were kept (1 or 0); with folds also which
result/confusion.json  by split: counts[label][decision], and the same as shares of each label
result/mistakes.jsonl  the wrong decisions of which the model was surest, with both sentences
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np

from final_project import strict_json
from final_project.artifacts import read_json, write_atomic, write_json
from final_project.data.files.predictions import read_predictions
from final_project.data.files.tables import iter_pairs
from final_project.data.records import Pair
from final_project.run.progress import read_metrics
from final_project.run.result_files import ResultFiles

SPLITS = ("dev", "test")
MOST_MISTAKES = 50  # per split; nobody reads more


def write_review(stage: Path, prepare: Path, updates_per_epoch: float, best_step: int) -> None:
    """Write the three files from what the stage has left: metrics.jsonl and result/*_predictions.csv.

    stage, prepare: their folders. updates_per_epoch: of all folds together. best_step: whose weights were kept, where
    one model was trained. Splits without labels have neither confusion nor mistakes.
    """
    files = ResultFiles.of_stage(stage)
    result = files.folder
    write_curves(stage, updates_per_epoch, best_step)
    confusions, mistakes = {}, []
    for split in SPLITS:
        pairs, labels_N = labelled(prepare / f"{split}.csv")
        if labels_N is None:
            continue
        probabilities_N, decided_N = read_predictions(files.predictions(split))
        confusions[split] = confusion(labels_N, decided_N)
        worst = surest_mistakes(probabilities_N, decided_N, labels_N)
        mistakes += [describe_mistake(split, row, pairs[row], probabilities_N[row], decided_N[row]) for row in worst]
    write_json(result / "confusion.json", confusions)
    with write_atomic(result / "mistakes.jsonl") as file:
        file.writelines(strict_json.dumps(mistake, ensure_ascii=False) + "\n" for mistake in mistakes)


def write_curves(stage: Path, updates_per_epoch: float, best_step: int) -> None:
    """Write result/curves.csv, of all folds where there are some; nothing where nothing was evaluated."""
    rows = curve(read_metrics(stage / "metrics.jsonl"), updates_per_epoch, best_step)
    folds = sorted((stage / "folds").glob("[0-9]*"), key=lambda folder: int(folder.name))
    for fold in folds:
        kept = read_json(fold / "facts.json")["best_step"]
        of_fold = curve(read_metrics(fold / "metrics.jsonl"), updates_per_epoch / len(folds), kept)
        rows += [{"fold": int(fold.name), **row} for row in of_fold]
    if rows:
        with write_atomic(stage / "result" / "curves.csv") as file:
            columns = list(dict.fromkeys(key for row in rows for key in row))
            writer = csv.DictWriter(file, columns, lineterminator="\n")
            writer.writeheader()
            writer.writerows(rows)


def curve(metrics: Sequence[Mapping[str, Any]], updates_per_epoch: float, best_step: int) -> list[dict[str, Any]]:
    """A row for each evaluation. train_loss: mean of the losses logged since the evaluation before."""
    rows, losses = [], []
    for line in metrics:
        if line.get("loss") is not None:
            losses.append(line["loss"])
        figures = {key: value for key, value in line.items() if key.startswith("dev_")}
        if figures:
            epoch = round(line["step"] / updates_per_epoch, 3) if updates_per_epoch else 0.0
            train = {"train_loss": fmean(losses)} if losses else {}
            rows.append(
                {"step": line["step"], "epoch": epoch, **train, **figures, "kept": int(line["step"] == best_step)}
            )
            losses = []
    return rows


def confusion(labels_N: np.ndarray, decided_N: np.ndarray) -> dict[str, Any]:
    counts = np.zeros((2, 2), dtype=np.int64)
    np.add.at(counts, (labels_N, decided_N), 1)
    shares = counts / np.maximum(1, counts.sum(axis=1, keepdims=True))
    return {"counts": counts.tolist(), "shares": shares.round(6).tolist()}


def surest_mistakes(probabilities_N: np.ndarray, decided_N: np.ndarray, labels_N: np.ndarray) -> list[int]:
    """Rows that were decided wrongly, those with the least probability for their label first."""
    of_label_N = np.where(labels_N == 1, probabilities_N, 1 - probabilities_N)
    wrong = np.flatnonzero(decided_N != labels_N)
    return wrong[np.argsort(of_label_N[wrong], kind="stable")][:MOST_MISTAKES].tolist()


def describe_mistake(split: str, row: int, pair: Pair, probability: float, decided: int) -> dict[str, Any]:
    """One mistake as a line of mistakes.jsonl; row counts from 0, probability is P(1)."""
    return {
        "split": split, "row": row, "sentence1": pair.sentence1, "sentence2": pair.sentence2,
        "label": pair.label, "decided": int(decided), "probability": float(probability),
    }  # fmt: skip


def labelled(path: Path) -> tuple[list[Pair], np.ndarray | None]:
    """A split's pairs and their labels; None where it has none."""
    pairs = list(iter_pairs(path))
    if any(pair.label is None for pair in pairs):
        return pairs, None
    return pairs, np.array([pair.label for pair in pairs])
