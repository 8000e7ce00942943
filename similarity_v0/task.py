"""What the shared loop needs to know of fine-tuning: one update, one evaluation, what to keep, how to end."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from final_project.artifacts import folder_atomic, write_json
from final_project.model.decision import Decision
from final_project.settings import Recipe
from final_project.training.batching import MicroBatch
from final_project.training.engines.base import Engine
from final_project.training.guard import told_rows
from final_project.training.weights import save_tensors, with_ties
from similarity_v0.batches import pair_batch
from similarity_v0.model import PairModel
from similarity_v0.predict import predict_probabilities, write_predictions
from similarity_v0.scores import scores_of
from similarity_v0.threshold import best_threshold, threshold_of_margin
from similarity_v0.train_step import train_step
from similarity_v0.tricks.ema import Ema
from similarity_v0.tricks.fgm import Fgm

log = logging.getLogger(__name__)


class PairTask:
    """Fine-tuning as the shared loop (final_project/training/loop.py) sees it."""

    line_tokens = 0  # pairs stand alone, each a line
    lowest_is_best = ""  # the best weights are kept here, by the measure that the recipe names

    def __init__(
        self,
        engine: Engine,
        model: PairModel,
        recipe: Recipe,
        tokenizer: PreTrainedTokenizerBase,
        tables: dict,
        folder: Path,
    ):
        self.engine = engine
        self.model = model
        self.seed = recipe.seed
        self.settings = recipe.similarity_v0
        self.tokenizer = tokenizer
        self.tables = tables
        self.folder = folder
        self.train_rows = chosen_rows(len(tables["train"]), self.settings.max_train_pairs, self.seed)
        self.lengths = tables["train"].lengths[self.train_rows]
        self.labels = {split: table.labels.astype(np.int64) for split, table in tables.items()}
        eps, decay = self.settings.fgm_eps, self.settings.ema_decay
        self.attack = Fgm(model.word_embedding, eps, self.settings.fgm_direction) if eps else None
        self.ema = Ema(engine, decay) if decay else None
        self.best: dict = {"score": None, "step": 0}

    def prepare(self, epoch: int, micro_batches: list[MicroBatch]) -> list[MicroBatch]:
        return [replace(m, rows=self.train_rows[m.rows]) for m in micro_batches]

    def update(self, step: int, epoch: int, prepared: list[MicroBatch]) -> dict[str, float]:
        table, pad_id = self.tables["train"], self.tokenizer.pad_token_id
        batches = [pair_batch(table, micro_batch, pad_id, self.engine.world.device) for micro_batch in prepared]
        n_pairs = int(self.engine.world.sum(sum(len(b.labels_B) * b.weight for b in batches))[0])
        return train_step(
            self.engine, batches, n_pairs, self.seed, step, self.settings.max_grad_norm, self.attack, self.ema
        )

    def evaluate(self, step: int) -> dict[str, float]:
        """Score dev with the weights that would be saved; keep them where they are the best so far."""
        with self.evaluated_weights():
            scores = self.dev_scores()
            by = self.settings.best_by
            score = -scores["loss"] if by == "loss" else scores[by]
            if self.best["score"] is None or score > self.best["score"]:
                self.best = {"score": score, "step": step}
                full = self.engine.full_weights()
                if self.engine.world.is_first:
                    with folder_atomic(self.folder / "best") as partial:
                        save_tensors(partial / "model.safetensors", full)
        return {f"dev_{key}": value for key, value in scores.items()}

    def evaluated_weights(self):
        return self.ema.applied() if self.ema else nullcontext()

    def dev_scores(self) -> dict[str, float]:
        probabilities = self._probabilities("dev")[:, 1]
        threshold = self._threshold(probabilities)
        return {**scores_of(probabilities, self.labels["dev"], threshold), "threshold": threshold}

    def finish(self) -> dict[str, dict[str, float]]:
        """Take the best weights, write result/ (model folder, predictions, scores); returns the scores by split."""
        world = self.engine.world
        world.barrier()
        if (best := self.folder / "best" / "model.safetensors").is_file():  # absent where epochs is 0
            self.engine.load_weights(best)
        probabilities = {split: self._probabilities(split) for split in ("dev", "test")}
        threshold = self._threshold(probabilities["dev"][:, 1])
        scores = {
            split: {**scores_of(p[:, 1], self.labels[split], threshold), "threshold": threshold}
            for split, p in probabilities.items()
            if (self.labels[split] >= 0).all()
        }
        full = self.engine.full_weights()
        if world.is_first:
            with folder_atomic(self.folder / "result") as result:
                classifier = self.model.classifier
                classifier.save_pretrained(result / "model", state_dict=with_ties(full, self.engine.model, classifier))
                self.tokenizer.save_pretrained(result / "model")
                decision = Decision(threshold)
                decision.save(result / "model")
                for split, p in probabilities.items():
                    write_predictions(result / f"{split}_predictions.csv", p[:, 1], decision.labels(p))
                write_json(result / "scores.json", scores)
            for split, values in scores.items():
                shown = "  ".join(f"{key} {value:.4f}" for key, value in values.items())
                log.info("similarity_v0: best of step %d on %s: %s", self.best["step"], split, shown)
        return scores

    def state(self) -> tuple[dict, dict[str, torch.Tensor]]:
        return {"best": self.best}, self.ema.state() if self.ema else {}

    def restore(self, state: dict, tensors: dict[str, torch.Tensor]) -> None:
        self.best = state["best"]
        if self.ema:
            self.ema.restore(tensors)

    def told(self, rows: np.ndarray) -> list[dict]:
        return told_rows(self.tables["train"], self.train_rows[rows], self.tokenizer)

    def _probabilities(self, split: str) -> np.ndarray:
        return predict_probabilities(
            self.engine.model, self.tables[split], self.tokenizer.pad_token_id, self.engine.world
        )

    def _threshold(self, dev_probabilities: np.ndarray) -> float:
        if self.settings.threshold == "margin":
            return threshold_of_margin(self.settings.logit_margin)
        metric = "f1" if self.settings.best_by == "f1" else "accuracy"
        return best_threshold(dev_probabilities, self.labels["dev"], metric)[0]


def chosen_rows(n_rows: int, most: int, seed: int) -> np.ndarray:
    """All row numbers, or the first `most` after a seeded shuffle, in file order."""
    if most == 0 or most >= n_rows:
        return np.arange(n_rows)
    return np.sort(np.random.default_rng([seed, n_rows]).permutation(n_rows)[:most])
