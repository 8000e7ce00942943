"""The stage's work: tokenise, train, measure, export a standard transformers folder."""

from __future__ import annotations

import logging
import math
import time
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional as F
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from final_project.artifacts import StageFolder, folder_atomic
from final_project.errors import DataError
from final_project.inputs import place_of_init
from final_project.model.encoder import masked_lm_from, masked_lm_from_scratch
from final_project.model.token_table import column, open_token_table, write_token_table
from final_project.model.tokens import build_tokenizer, load_init_tokenizer
from final_project.progress import Journal
from final_project.settings import Recipe
from final_project.training.batching import MicroBatch, batches_by_length
from final_project.training.engines import build_engine
from final_project.training.engines.base import Engine
from final_project.training.loop import run_loop
from final_project.training.precision import resolve_precision
from final_project.training.weights import copied_weights
from final_project.training.world import World
from posttrain.corpus import HELD_OUT_EPOCH, masked_batch, plain_texts, read_texts, split_held_out
from posttrain.masking import Masking
from posttrain.model import MaskedLm
from posttrain.train_step import train_step

log = logging.getLogger(__name__)

EVAL_TOKENS = 8192
DS_CONFIG_DIR = Path(__file__).parent / "ds_config"


def fit(recipe: Recipe, folder: StageFolder, world: World) -> tuple[list[str], dict]:
    """Run masked-LM training on every rank; returns the exported files and the facts for the manifest."""
    settings = recipe.posttrain
    text_path = folder.run_dir / "prepare" / "text.tsv"
    tokenizer, model = start_model(recipe, text_path)
    if settings.max_length > model.config.max_position_embeddings:
        raise DataError(text_path, f"max_length {settings.max_length} exceeds the model's positions")
    table_path = folder.path / "tokens.arrow"
    if world.is_first and not table_path.is_file():
        rows = read_texts(text_path, settings.text_form)
        n_truncated = write_token_table(rows, tokenizer, settings.max_length, table_path)
        log.info("posttrain: tokenised; %d rows were cut to %d tokens", n_truncated, settings.max_length)
    world.barrier()
    precision = resolve_precision(settings.precision, world.device)
    config = DS_CONFIG_DIR / f"zero{settings.zero_stage}.json"
    engine = build_engine(settings.engine, MaskedLm(model), settings, precision, world, config)
    task = MaskedLmTask(engine, recipe, tokenizer, table_path)
    log.info(
        "posttrain: %d rows, %d held out, %.1f M weights, %s in %s on %d x %s",
        len(task.train_rows), len(task.held_out_rows), sum(p.numel() for p in model.parameters()) / 1e6,
        engine.name, precision, world.size, world.device.type,
    )  # fmt: skip
    began = time.monotonic()
    n_updates = run_loop(task, engine, settings, recipe.seed, 0, folder.path, "posttrain")
    name = f"{recipe.encoder.init.rsplit('/', 1)[-1]}_{settings.epochs}ep"
    outputs = export(model, tokenizer, folder, Path("posttrain_models") / name) if world.is_first else []
    facts = {
        "model": f"posttrain_models/{name}",
        "rows": {"train": len(task.train_rows), "held_out": len(task.held_out_rows)},
        "updates": n_updates,
        "train_seconds": round(time.monotonic() - began, 3),
        "precision": precision,
        "engine": engine.evidence(),
        "scores": task.scores,
    }
    return outputs, facts


def start_model(recipe: Recipe, text_path: Path) -> tuple[PreTrainedTokenizerBase, PreTrainedModel]:
    """Tokenizer and masked-LM model that training starts from, as `encoder.init` says."""
    encoder = recipe.encoder
    if encoder.init == "scratch":
        tokenizer = build_tokenizer(plain_texts(text_path), encoder.vocab_size, str(text_path))
        return tokenizer, masked_lm_from_scratch(encoder, tokenizer, recipe.seed)
    place = place_of_init(encoder.init, encoder.allow_download)
    tokenizer = load_init_tokenizer(place, encoder.allow_download)
    return tokenizer, masked_lm_from(place, tokenizer, encoder.allow_download)


def export(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, folder: StageFolder, target: Path) -> list[str]:
    """Write the standard folder; returns its files, relative to the stage's folder."""
    with folder_atomic(folder.path / target) as partial:
        model.save_pretrained(partial, state_dict=copied_weights(model))
        tokenizer.save_pretrained(partial)
    return [str(target / path.name) for path in sorted((folder.path / target).iterdir())]


class MaskedLmTask:
    """What the shared loop needs to know of masked-LM training."""

    journal: Journal

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
    def evaluate(self, step: int) -> None:
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
        self.journal.evaluation(step, self.scores)

    def state(self) -> tuple[dict, dict[str, torch.Tensor]]:
        return {"scores": self.scores}, {}

    def restore(self, state: dict, tensors: dict[str, torch.Tensor]) -> None:
        self.scores = state["scores"]

    def _batch(self, rows: np.ndarray, micro_batch: MicroBatch, epoch: int):
        device = self.engine.world.device
        return masked_batch(self.table, rows, micro_batch, self.masking, self.tokenizer, self.seed, epoch, device)
