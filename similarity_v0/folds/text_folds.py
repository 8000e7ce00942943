"""Folds of texts with scores or labels: how rows are dealt out, and how the folds' models become one result.

    result/*_predictions.csv scores.json   of the mean of the folds' answers on dev and test
    result/oof.csv                         id,fold,<answers>: each training text by the model that has not seen it
    result/folds.json                      sizes and spread of the folds, each fold's facts, out-of-fold figures
    result/model                           the folder of the fold that is best on dev
Shapes: R training rows, K folds, C outputs.
"""

from __future__ import annotations

import csv
import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from final_project.artifacts import folder_atomic, write_atomic, write_json
from final_project.data.files.score_files import plain
from final_project.data.quality.groups import deal_rows
from final_project.data.quality.strata import keys_of, spread, strata
from final_project.data.records import TextRow
from final_project.errors import DataError
from similarity_v0.decision.row_target import Target

log = logging.getLogger(__name__)


def assign_text_folds(source: Path, rows: Sequence[TextRow], n_folds: int, seed: int) -> tuple[np.ndarray, dict]:
    """The fold of each row, (R,), and how even they are. Raises DataError where there are fewer texts than folds."""
    labels_RL = strata(rows)
    try:
        fold_R = deal_rows(keys_of(rows), labels_RL, np.ones(n_folds), seed)
    except ValueError as error:
        raise DataError(source, f"{error}: take fewer folds") from error
    facts = spread(labels_RL, fold_R, n_folds)
    log.info(
        "similarity_v0: folds of %s texts; label distribution error %.4f, %d values lacking in a fold",
        ", ".join(map(str, facts["sizes"])), facts["LD"], facts["lacking"],
    )  # fmt: skip
    return fold_R, facts


def write_text_ensemble(
    target: Target,
    ids: Sequence[str],
    fold_R: np.ndarray,
    folds: Sequence[Any],
    truth: dict[str, np.ndarray],
    result: Path,
    spread_facts: dict,
) -> tuple[dict[str, dict[str, float]], int]:
    """Write result/; returns the ensemble's figures by split, and the number of the fold whose model is kept. ids: of
    the training rows. truth: by split, "train" of those rows."""
    answers = {split: np.mean([fold.answers[split] for fold in folds], axis=0) for split in ("dev", "test")}
    oof_RC = np.empty((len(fold_R), answers["dev"].shape[1]))
    for number, fold in enumerate(folds):
        oof_RC[fold_R == number] = fold.answers["oof"]
    rule = target.decide(answers["dev"], truth["dev"])
    worths = [target.worth(fold.facts["scores"]["dev"]) for fold in folds]
    best = int(np.argmax(worths))
    scores = target.score_splits(rule, answers, truth)
    oof = target.score_splits(rule, {"oof": oof_RC}, {"oof": truth["train"]})
    with folder_atomic(result) as partial:
        shutil.copytree(folds[best].model, partial / "model")
        target.write_results(partial, rule, answers, truth)
        with write_atomic(partial / "oof.csv") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["id", "fold", *rule.names])
            writer.writerows(
                (name, fold, *map(plain, values))
                for name, fold, values in zip(ids, fold_R.tolist(), rule.clipped(oof_RC).tolist(), strict=True)
            )
        write_json(
            partial / "folds.json",
            {
                "folds": [fold.facts for fold in folds],
                "spread": spread_facts,
                "oof": oof["oof"],
                "ensemble": {"method": "mean", "scores": scores},
                "model": {"folds": [best], "why": f"fold {best} is the best on dev"},
            },
        )
    for split, values in {**scores, "out of fold": oof["oof"]}.items():
        shown = "  ".join(f"{key} {value:.4f}" for key, value in values.items())
        log.info("similarity_v0: mean of %d folds on %s: %s", len(folds), split, shown)
    return scores, best
