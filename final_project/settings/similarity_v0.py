"""Settings of similarity_v0."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from final_project.settings.head_and_rates import HeadAndRates
from final_project.settings.loss_and_tricks import LossAndTricks
from final_project.settings.section import setting


class SimilarityV0(HeadAndRates, LossAndTricks):
    """Fine-tuning of the pair classifier."""

    init: str = setting("", "transformers folder to start from; empty = what posttrain exported", "path")
    max_train_pairs: int = setting(0, "use only the first N pairs after a seeded shuffle; 0 = all", "pairs", ge=0)
    eval_every: int = setting(0, "updates between evaluations on dev; 0 = once an epoch", "updates", ge=0)
    best_by: Literal["accuracy", "f1", "mcc", "loss"] = setting("accuracy", "dev metric that picks the checkpoint")
    threshold: Literal["sweep", "margin", "half"] = setting(
        "sweep", "where P(1) is cut: swept on dev, a fixed margin on the logits, or one half"
    )
    threshold_metric: Literal["auto", "accuracy", "f1", "mcc", "cost"] = setting(
        "auto", "what the sweep is best at; auto = best_by's f1 or mcc, else accuracy"
    )
    false_positive_cost: float = setting(1.0, "price of a wrong 1 (threshold_metric: cost)", ge=0)
    false_negative_cost: float = setting(1.0, "price of a wrong 0 (threshold_metric: cost)", ge=0)
    logit_margin: float = setting(0.94, "label 1 iff z1 - z0 exceeds this (threshold: margin)", "logits")
    calibration: Literal["none", "temperature", "platt", "isotonic"] = setting(
        "none", "map fitted on dev that turns P(1) into the share of pairs that are 1"
    )
    folds: int = setting(0, "train so many models, each without one fold of the pairs; 0 = one model on all", ge=0)
    one_fold: bool = setting(False, "of the folds' models train the first alone, as the original")
    ensemble: Literal["mean", "logit", "rank", "weighted"] = setting(
        "mean", "how the folds' P(1) become one: mean, of logits, of ranks, or weighted for the lowest loss on dev"
    )
    ensemble_cut: Literal["oof_and_dev", "dev"] = setting(
        "oof_and_dev", "rows on which the ensemble's threshold is found; out-of-fold rows are as many as train's"
    )
    fold_model: Literal["best", "soup"] = setting(
        "best", "result/model of folds: the one best on dev, or a greedy soup of their weights"
    )

    def conflicts(self) -> Iterator[str]:
        yield from super().conflicts()
        if self.batch_form == "packed" and self.mixup not in ("", "pool"):
            yield f"mixup {self.mixup} would blend whole lines of pairs; with batch_form packed it is pool"
        if self.batch_form == "packed" and self.freelb_eps:
            yield "freelb_eps: FreeLB moves each pair in a ball of its own, which packed lines do not keep apart"
        if self.n_outputs == 1 and self.loss != "bce":
            yield f"loss {self.loss} tells classes apart; n_outputs 1 needs loss bce"
        if self.folds == 1:
            yield "folds 1 would hold out every pair; 0 trains one model on all, 2 and more train as many models"
        if self.one_fold and self.folds < 2:
            yield f"one_fold needs folds of which it is one, found folds {self.folds}"
        if self.threshold == "margin" and self.calibration == "isotonic":
            yield "threshold margin cuts the logits anywhere, where calibration isotonic is level: platt or temperature"
        if self.threshold_metric == "cost" and not self.false_positive_cost + self.false_negative_cost:
            yield "threshold_metric cost with both costs 0: every threshold is as good"
