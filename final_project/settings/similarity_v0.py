"""Settings of similarity_v0."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from final_project.settings.head_and_rates import HeadAndRates
from final_project.settings.loss_and_tricks import LossAndTricks
from final_project.settings.section import setting


class SimilarityV0(HeadAndRates, LossAndTricks):
    """Fine-tuning of the pair classifier."""

    init: str = setting(
        "", "transformers folder to start from; empty = the encoder that posttrain exported", "path", common=True
    )
    max_train_pairs: int = setting(
        0, "use only the first N pairs after a seeded shuffle; 0 = all", "pairs", common=True, ge=0
    )
    eval_every: int = setting(0, "updates between evaluations on dev; 0 = once an epoch", "updates", ge=0)
    best_by: Literal["accuracy", "f1", "mcc", "loss", "macro_f1", "mcrmse", "mae", "pearson", "qwk"] = setting(
        "accuracy", "dev metric that selects the checkpoint; of scores mcrmse by default, mae, pearson, qwk or loss",
        common=True,
    )  # fmt: skip
    threshold: Literal["sweep", "margin", "half"] = setting(
        "sweep", "where P(1) is cut: sweep = the best cut on dev, margin = logit_margin, half = 0.5", common=True
    )
    threshold_metric: Literal["auto", "accuracy", "f1", "mcc", "cost"] = setting(
        "auto", "metric that the sweep maximises on dev; auto = best_by if it is f1 or mcc, else accuracy"
    )
    false_positive_cost: float = setting(1.0, "cost of a wrong 1 (threshold_metric: cost)", ge=0)
    false_negative_cost: float = setting(1.0, "cost of a wrong 0 (threshold_metric: cost)", ge=0)
    logit_margin: float = setting(0.94, "label 1 if z1 - z0 exceeds this (threshold: margin)", "logits")
    calibration: Literal["none", "temperature", "platt", "isotonic"] = setting(
        "none", "map fitted on dev that makes P(1) a calibrated probability"
    )
    folds: int = setting(
        0, "train this many models, each without one fold of the pairs; 0 = one model on all pairs", "folds",
        common=True, ge=0,
    )  # fmt: skip
    one_fold: bool = setting(False, "train only the first of the folds' models, as the published solution did")
    ensemble: Literal["mean", "logit", "rank", "weighted"] = setting(
        "mean",
        "how the folds' P(1) are averaged: as they are, as logits, as ranks, or weighted for the lowest dev loss",
    )
    ensemble_cut: Literal["oof_and_dev", "dev"] = setting(
        "oof_and_dev", "rows on which the ensemble's threshold is found: the out-of-fold rows and dev, or dev alone"
    )
    fold_model: Literal["best", "soup"] = setting(
        "best", "which model folds saves as result/model: the best one on dev, or a greedy soup of their weights"
    )

    def conflicts(self) -> Iterator[str]:
        yield from super().conflicts()
        if self.batch_form == "packed" and self.mixup not in ("", "pool"):
            yield (
                f"mixup: {self.mixup} would blend whole packed sequences; with batch_form: packed use pool, or "
                "batch_form rows"
            )
        if self.batch_form == "packed" and self.freelb_eps:
            yield (
                f"freelb_eps: {self.freelb_eps:g} needs batch_form: rows; in packed sequences pairs have no separate "
                "bounds"
            )
        if self.lora_rank and self.awp_gamma:
            yield (
                f"awp_gamma: {self.awp_gamma:g} moves matrices that lora_rank: {self.lora_rank} leaves frozen; use "
                "fgm_eps, pgd_eps or freelb_eps"
            )
        if self.n_outputs == 1 and self.loss in ("ce", "focal"):
            yield f"loss: {self.loss} needs n_outputs: 2; with n_outputs: 1 use loss: bce"
        if self.folds == 1:
            yield "folds: 1 would hold out every pair; use 0 (one model on all pairs) or at least 2"
        if self.one_fold and self.folds < 2:
            yield f"one_fold: true needs folds: 2 or more, found folds: {self.folds}"
        if self.threshold == "margin" and self.calibration == "isotonic":
            yield (
                "calibration: isotonic is constant between steps, so threshold: margin has no definite place; use "
                "calibration platt or temperature"
            )
        if self.threshold_metric == "cost" and not self.false_positive_cost + self.false_negative_cost:
            yield (
                "threshold_metric: cost with false_positive_cost: 0 and false_negative_cost: 0 makes every threshold "
                "equally good; set a cost above 0"
            )
