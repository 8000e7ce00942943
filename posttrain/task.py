"""What the shared loop needs to know of masked-LM training: one update, one evaluation, what to keep."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from transformers import PreTrainedTokenizerBase

from final_project.model.token_table import column, open_token_table
from final_project.settings import Recipe
from final_project.training.batching import MicroBatch, batches_by_length
from final_project.training.engines.base import Engine
from posttrain.corpus import HELD_OUT_EPOCH, MaskedBatch, masked_batch, split_held_out
from posttrain.masking import Masking
from posttrain.train_step import train_step

EVAL_TOKENS = 8192


class MaskedLmTask:
    """Masked-LM training as the shared loop (final_project/training/loop.py) sees it."""

    def __init__(self, engine: Engine, recipe: Recipe, tokenizer: PreTrainedTokenizerBase, table_path: Path):
        self.engine = engine
        self.seed = recipe.seed
        self.settings = recipe.posttrain
        self.tokenizer = tokenizer
        self.table = open_token_table(table_path)
        self.masking = Masking(
            mask_id=tokenizer.mask_token_id,
            vocab_size=len(tokenizer),
            special_ids=frozenset(tokenizer.all_special_ids),
            mask_prob=self.settings.mask_prob,
        )
        lengths = column(self.table, "length")
        self.train_rows, self.held_out_rows = split_held_out(len(lengths), self.settings.held_out_rows, self.seed)
        self.lengths = lengths[self.train_rows]
        self.held_out_lengths = lengths[self.held_out_rows]
        self.scores: dict[str, float] = {}

    def update(self, step: int, epoch: int, micro_batches: list[MicroBatch]) -> dict[str, float]:
        batches = [self._batch(self.train_rows[m.rows], m, epoch + 1) for m in micro_batches]
        n_masked = sum(len(batch.targets_M) for batch in batches if batch.weight)
        total = int(self.engine.world.sum(n_masked)[0])
        return train_step(self.engine, batches, total, self.seed, step, self.settings.max_grad_norm)

    @torch.no_grad()
    def evaluate(self, step: int) -> dict[str, float]:
        """Loss, perplexity and accuracy at masked positions of the held-out rows."""
        world, model = self.engine.world, self.engine.model
        loss_sum = n_right = n_masked = 0.0
        groups = batches_by_length(self.held_out_lengths, EVAL_TOKENS)
        model.eval()
        for index in range(world.rank, len(groups), world.size):
            rows = self.held_out_rows[groups[index]]
            batch = self._batch(rows, MicroBatch(rows, index), HELD_OUT_EPOCH)
            with self.engine.autocast():
                logits_MV = model(**batch.inputs, masked_M=batch.masked_M).float()
            loss_sum += float(F.cross_entropy(logits_MV, batch.targets_M, reduction="sum"))
            n_right += int((logits_MV.argmax(-1) == batch.targets_M).sum())
            n_masked += len(batch.targets_M)
        model.train()
        loss_sum, n_right, n_masked = world.sum(loss_sum, n_right, n_masked)
        loss = loss_sum / max(1, n_masked)
        self.scores = {
            "held_out_loss": loss,
            "held_out_perplexity": math.exp(min(loss, 700.0)),
            "held_out_accuracy": n_right / max(1, n_masked),
        }
        return self.scores

    def state(self) -> tuple[dict, dict[str, torch.Tensor]]:
        return {"scores": self.scores}, {}

    def restore(self, state: dict, tensors: dict[str, torch.Tensor]) -> None:
        self.scores = state["scores"]

    def _batch(self, rows: np.ndarray, micro_batch: MicroBatch, epoch: int) -> MaskedBatch:
        device = self.engine.world.device
        return masked_batch(self.table, rows, micro_batch, self.masking, self.tokenizer, self.seed, epoch, device)
