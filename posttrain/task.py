"""Masked-LM training for the shared loop: one update, one evaluation, the state to keep."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from transformers import PreTrainedTokenizerBase

from final_project.errors import TrainingError
from final_project.settings import Recipe
from final_project.tokens.packing import first_position_of
from final_project.tokens.token_table import open_token_table
from final_project.training.batching import MicroBatch, batches_by_length, share_of_rank
from final_project.training.engines.engine import Engine
from final_project.training.guard import describe_rows
from posttrain.batches import BatchMaker, MaskedBatch
from posttrain.corpus import split_held_out
from posttrain.masking import Masking
from posttrain.model import MaskedLm
from posttrain.train_step import train_step

EVAL_TOKENS = 8192
HELD_OUT_EPOCH = 0  # held-out rows are masked as in this epoch at every evaluation


class MaskedLmTask:
    """Masked-LM training as the shared loop (final_project/training/loop.py) sees it."""

    lowest_is_best = "held_out_loss"

    def __init__(self, engine: Engine, recipe: Recipe, tokenizer: PreTrainedTokenizerBase, table_path: Path):
        self.engine = engine
        self.seed = recipe.seed
        self.settings = recipe.posttrain
        self.tokenizer = tokenizer
        self.table = open_token_table(table_path)
        masking = Masking(
            mask_id=tokenizer.mask_token_id,
            vocab_size=len(tokenizer),
            special_ids=frozenset(tokenizer.all_special_ids),
            mask_prob=self.settings.mask_prob,
            whole_words=self.settings.mask_unit == "word",
        )
        self.batch = BatchMaker(self.table, masking, tokenizer.pad_token_id, self.seed)
        self.line_tokens = self.settings.pack_length if self.settings.batch_form == "packed" else 0
        if self.line_tokens:
            assert isinstance(engine.model, MaskedLm)
            self.batch = replace(self.batch, first_position=first_position_of(engine.model.model.config))
        lengths = self.table.lengths
        self.train_rows, self.held_out_rows = split_held_out(len(lengths), self.settings.held_out_rows, self.seed)
        self.lengths = lengths[self.train_rows]
        self.held_out_lengths = lengths[self.held_out_rows]
        self.scores: dict[str, float] = {}

    def prepare(self, epoch: int, micro_batches: list[MicroBatch]) -> list[MaskedBatch]:
        batches = [self.batch(self.train_rows[m.rows], m, epoch + 1, self.line_tokens) for m in micro_batches]
        return [batch.pinned() for batch in batches] if self.engine.world.device.type == "cuda" else batches

    def update(self, step: int, epoch: int, prepared: list[MaskedBatch]) -> dict[str, float]:
        batches = [batch.to(self.engine.world.device) for batch in prepared]
        counted = [batch for batch in batches if batch.weight]
        n_masked = sum(len(batch.targets_M) for batch in counted)
        n_computed = sum(batch.inputs["input_ids"].numel() for batch in counted)
        total, computed = map(int, self.engine.world.sum(n_masked, n_computed))
        # max: rows of special tokens only have no loss and a count of 0
        figures = train_step(self.engine, batches, max(1, total), self.seed, step, self.settings.max_grad_norm)
        return {**figures, "predicted_tokens": total, "padded_tokens": computed}

    @torch.no_grad()
    def evaluate(self, step: int) -> dict[str, float]:
        """Loss, perplexity and accuracy at masked positions of the held-out rows; empty if there are none. Raises
        TrainingError where the loss is not finite."""
        world, model = self.engine.world, self.engine.model
        loss_sum = n_right = n_masked = 0.0
        groups = batches_by_length(self.held_out_lengths, EVAL_TOKENS)
        model.eval()
        # every rank runs the same number of forwards: with sharded weights each is a collective
        for group in share_of_rank(groups, world.rank, world.size):
            rows = self.held_out_rows[group.rows]
            batch = self.batch(rows, group, HELD_OUT_EPOCH).to(world.device)
            with self.engine.autocast():
                logits_MV = model(**batch.inputs, masked_M=batch.masked_M).float()
            if not group.counts:
                continue
            loss_sum += float(F.cross_entropy(logits_MV, batch.targets_M, reduction="sum"))
            n_right += int((logits_MV.argmax(-1) == batch.targets_M).sum())
            n_masked += len(batch.targets_M)
        model.train()
        loss_sum, n_right, n_masked = world.sum(loss_sum, n_right, n_masked)
        if not n_masked:
            return {}
        loss = loss_sum / n_masked
        if not math.isfinite(loss):
            raise TrainingError(
                f"posttrain: step {step}: the held-out loss is {loss}: the weights have diverged; a lower lr or a "
                "longer warm-up keeps them finite"
            )
        self.scores = {
            "held_out_loss": loss,
            "held_out_perplexity": math.exp(min(loss, 700.0)),
            "held_out_accuracy": n_right / n_masked,
        }
        return self.scores

    def state(self) -> tuple[dict, dict[str, torch.Tensor]]:
        return {"scores": self.scores}, {}

    def restore(self, state: dict, tensors: dict[str, torch.Tensor]) -> None:
        self.scores = state["scores"]

    def describe_rows(self, rows: np.ndarray) -> list[dict]:
        return describe_rows(self.table, self.train_rows[rows], self.tokenizer)
