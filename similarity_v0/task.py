"""What the shared loop needs to know of fine-tuning: one update, one evaluation, what to keep, how to end."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from final_project.artifacts import folder_atomic
from final_project.errors import TrainingError
from final_project.model.custom_parts import custom_embeddings
from final_project.model.finite import NotFinite, weights_at_fault
from final_project.model.model_folder import write_model_folder
from final_project.run.result_files import ResultFiles
from final_project.settings import Recipe
from final_project.tokens.packing import first_position_of
from final_project.tokens.token_table import TokenTable
from final_project.training.batching import MicroBatch, steps_per_epoch
from final_project.training.engines.engine import Engine
from final_project.training.guard import describe_rows
from similarity_v0.batches import Lines, pair_batch
from similarity_v0.best_weights import BestWeights
from similarity_v0.decision.row_target import Target
from similarity_v0.export.text_card import card_of
from similarity_v0.model import PairModel
from similarity_v0.pair_weights import pair_weights
from similarity_v0.probabilities import predict_probabilities
from similarity_v0.train_step import Step, train_step
from similarity_v0.tricks.chosen import build_tricks
from similarity_v0.two_labels import TwoLabels

log = logging.getLogger(__name__)

DIVERGED = "the weights have diverged; a lower lr, a longer warm-up or a smaller attack keeps them finite"


class PairTask:
    """Fine-tuning as the shared loop (final_project/training/loop.py) sees it.

    best: score and step of the evaluation that was best so far. final: (B, C) answers by split, once finished.
    """

    lowest_is_best = ""  # the best weights are kept here, by the measure that the recipe names

    def __init__(
        self,
        engine: Engine,
        model: PairModel,
        recipe: Recipe,
        tokenizer: PreTrainedTokenizerBase,
        tables: dict[str, TokenTable],
        train_rows: np.ndarray,
        folder: Path,
        target: Target | None = None,
    ):
        """tables: by split. train_rows: the rows of the train table to learn from. folder: where its files go. target:
        what their labels are; None = pairs."""
        self.target: Target = target or TwoLabels(recipe, folder)
        self.engine = engine
        self.model = model
        self.recipe = recipe
        self.seed = recipe.seed
        self.settings = recipe.similarity_v0
        self.tokenizer = tokenizer
        self.tables = tables
        self.folder = folder
        self.line_tokens = self.settings.pack_length if self.settings.batch_form == "packed" else 0
        self.lines = Lines(self.line_tokens, first_position_of(model.classifier.config)) if self.line_tokens else None
        self.train_rows = train_rows
        self.lengths = tables["train"].lengths[self.train_rows]
        self.weights = np.zeros(len(tables["train"]), dtype=np.float32)  # of the pairs to learn from; the rest unseen
        self.weights[train_rows] = pair_weights(
            self.settings.pair_weights, tables, train_rows, tokenizer, self.settings.class_weights
        )
        self.labels = {split: self.target.truth(table) for split, table in tables.items()}
        per_epoch = steps_per_epoch(len(self.lengths), self.settings.step_rows, self.settings.micro_rows)
        n_updates = self.settings.epochs * per_epoch
        self.tricks = build_tricks(self.settings, model, engine, n_updates, recipe.targets.weights)
        self.average = self.tricks.average
        self.best: dict = {"score": None, "step": 0}
        self.best_weights = BestWeights(folder / "best")
        self.final: dict[str, np.ndarray] = {}

    def prepare(self, epoch: int, micro_batches: list[MicroBatch]) -> list[MicroBatch]:
        return [replace(m, rows=self.train_rows[m.rows]) for m in micro_batches]

    def update(self, step: int, epoch: int, prepared: list[MicroBatch]) -> dict[str, float]:
        table, pad_id = self.tables["train"], self.tokenizer.pad_token_id
        device = self.engine.world.device
        batches = [pair_batch(table, self.weights, m, pad_id, device, self.lines) for m in prepared]
        n_pairs = sum(len(b.labels_B) for b in batches if b.counts)
        n_computed = sum(b.inputs["input_ids"].numel() for b in batches if b.counts)
        n_pairs, n_computed = map(int, self.engine.world.sum(n_pairs, n_computed))
        taken = Step(batches, n_pairs, self.seed, step)
        figures = train_step(self.engine, taken, self.settings.max_grad_norm, self.tricks)
        return {**figures, "padded_tokens": n_computed, "passes": self.tricks.at(step).n_passes}

    def evaluate(self, step: int) -> dict[str, float]:
        """Score dev with the weights that would be saved; keep them where they are the best so far."""
        with self.evaluated_weights():
            scores = self.dev_scores()
            score = self.target.worth(scores)
            if self.best["score"] is None or score > self.best["score"]:
                self.best = {"score": score, "step": step}
                full = self.engine.full_weights()
                if self.engine.world.is_first:
                    self.best_weights.write(full, self.best)
        return {f"dev_{key}": value for key, value in scores.items()}

    def evaluated_weights(self):
        return self.average.applied() if self.average else nullcontext()

    def dev_scores(self) -> dict[str, float]:
        return self.target.figures(self._answers("dev"), self.labels["dev"])

    def finish(self) -> dict[str, dict[str, float]]:
        """Take the best weights, write result/ (model folder, predictions, scores); returns the scores by split.
        Raises TrainingError where weights or answers are not finite."""
        world = self.engine.world
        world.barrier()
        if self.best["score"] is not None:  # none where epochs is 0
            self.best_weights.check(self.best)
            self.engine.load_weights(self.best_weights.path)
        self.final = answers = {split: self._answers(split) for split in ("dev", "test")}
        rule = self.target.decide(answers["dev"], self.labels["dev"])
        scores = self.target.score_splits(rule, answers, self.labels)
        full = self.engine.full_weights()
        if world.is_first:
            if fault := weights_at_fault(full.items()):
                raise TrainingError(f"similarity_v0: nothing is exported: {fault}: {DIVERGED}")
            with folder_atomic(ResultFiles.of_stage(self.folder).folder) as result:
                rows = {split: len(table) for split, table in self.tables.items()} | {"train": len(self.train_rows)}
                card = card_of(self.recipe, scores, rule, rows, custom_embeddings(self.model.classifier))
                save = partial(self.model.save, full=full)
                write_model_folder(ResultFiles(result).model, save, self.tokenizer, rule, card)
                self.target.write_results(result, rule, answers, self.labels)
            for split, values in scores.items():
                shown = "  ".join(f"{key} {value:.4f}" for key, value in values.items())
                log.info("similarity_v0: best of step %d on %s: %s", self.best["step"], split, shown)
        return scores

    def state(self) -> tuple[dict, dict[str, torch.Tensor]]:
        return {"best": self.best}, self.average.state() if self.average else {}

    def restore(self, state: dict, tensors: dict[str, torch.Tensor]) -> None:
        self.best = self.best_weights.check(state["best"], state["step"])
        if self.average:
            self.average.restore(tensors)

    def describe_rows(self, rows: np.ndarray) -> list[dict]:
        return describe_rows(self.tables["train"], self.train_rows[rows], self.tokenizer)

    def _answers(self, split: str) -> np.ndarray:
        table, pad_id = self.tables[split], self.tokenizer.pad_token_id
        try:
            return predict_probabilities(self.engine.model, table, pad_id, self.engine.world, read=self.target.answers)
        except NotFinite as error:
            raise TrainingError(f"similarity_v0: {split}: {error}: {DIVERGED}") from error
