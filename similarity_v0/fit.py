"""The stage's work: tokenise, train, choose the best checkpoint and its threshold on dev, predict test, record."""

from __future__ import annotations

import logging
import time
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from final_project.artifacts import RECORD_NAME, StageFolder, folder_atomic, write_json
from final_project.data.tables import read_pairs
from final_project.errors import ArtifactError, DataError
from final_project.inputs import place_of_init
from final_project.model.decision import Decision
from final_project.model.folder import load_tokenizer
from final_project.model.token_table import column, open_token_table, write_token_table
from final_project.progress import Journal
from final_project.settings import Recipe
from final_project.training.batching import MicroBatch
from final_project.training.engines import build_engine
from final_project.training.engines.base import Engine
from final_project.training.loop import run_loop
from final_project.training.precision import resolve_precision
from final_project.training.weights import copied_weights, load_weights, save_weights
from final_project.training.world import World
from similarity_v0.batches import pair_batch
from similarity_v0.model import PairModel, pair_model_from
from similarity_v0.predict import predict_probabilities, write_predictions
from similarity_v0.record import append_record
from similarity_v0.scores import scores_of
from similarity_v0.threshold import best_threshold, threshold_of_margin
from similarity_v0.train_step import train_step
from similarity_v0.tricks.ema import Ema
from similarity_v0.tricks.fgm import Fgm

log = logging.getLogger(__name__)

SPLITS = ("train", "dev", "test")


def fit(recipe: Recipe, folder: StageFolder, world: World) -> tuple[list[str], dict]:
    """Fine-tune on every rank; returns the written files and the facts for the manifest."""
    settings = recipe.similarity_v0
    place = start_place(recipe, folder.run_dir)
    tokenizer = load_tokenizer(place)
    tokenizer.model_max_length = settings.max_length  # saved with it, so that others cut where training did
    model = pair_model_from(place, recipe.seed)
    if settings.max_length > model.classifier.config.max_position_embeddings:
        raise ArtifactError(f"{place}: similarity_v0.max_length {settings.max_length} exceeds the model's positions")
    if world.is_first:
        tokenise(folder, tokenizer, settings.max_length)
    world.barrier()
    tables = {split: open_token_table(folder.path / f"{split}.arrow") for split in SPLITS}
    precision = resolve_precision(settings.precision, world.device)
    engine = build_engine(settings.engine, model, settings, precision, world)
    task = PairTask(engine, model, recipe, tokenizer, tables, folder.path)
    log.info(
        "similarity_v0: %d pairs, %.1f M weights from %s, %s in %s on %d x %s",
        len(task.train_rows), sum(p.numel() for p in model.parameters()) / 1e6, place,
        engine.name, precision, world.size, world.device.type,
    )  # fmt: skip
    began = time.monotonic()
    n_updates = run_loop(task, engine, settings, recipe.seed, settings.eval_every, folder.path, "similarity_v0")
    train_s = time.monotonic() - began
    scores = task.finish()
    rows = {split: len(table) for split, table in tables.items()} | {"train": len(task.train_rows)}
    facts = {"rows": rows, "updates": n_updates, "train_seconds": round(train_s, 3), "precision": precision}
    facts |= {"engine": engine.evidence()}
    if not world.is_first:
        return [], facts
    append_record(
        folder.path / RECORD_NAME, recipe, scores, n_train=rows["train"], updates=n_updates,
        best_step=task.best["step"], seconds=round(train_s, 1), processes=world.size, used_precision=precision,
    )  # fmt: skip
    result = folder.path / "result"
    outputs = [str(path.relative_to(folder.path)) for path in sorted(result.rglob("*")) if path.is_file()]
    return outputs, facts | {"scores": scores, "best_step": task.best["step"]}


def start_place(recipe: Recipe, run_dir: Path) -> str:
    """The folder to start from: similarity_v0.init where given, else what posttrain has exported."""
    if recipe.similarity_v0.init:
        return place_of_init(recipe.similarity_v0.init, allow_download=False)
    posttrain = StageFolder(run_dir, "posttrain")
    posttrain.outputs()
    return str(posttrain.path / posttrain.manifest()["model"])


def tokenise(folder: StageFolder, tokenizer: PreTrainedTokenizerBase, max_length: int) -> None:
    """Write a token table for each split that an earlier, interrupted run has not left."""
    for split in SPLITS:
        target = folder.path / f"{split}.arrow"
        if target.is_file():
            continue
        source = folder.run_dir / "prepare" / f"{split}.csv"
        pairs = read_pairs(source)
        if split != "test" and any(pair.label is None for pair in pairs):
            raise DataError(source, f"the {split} split needs a label on every row")
        rows = ((pair.sentence1, pair.sentence2, pair.label) for pair in pairs)
        n_truncated = write_token_table(rows, tokenizer, max_length, target)
        log.info("similarity_v0: %s: %d pairs, %d cut to %d tokens", split, len(pairs), n_truncated, max_length)


class PairTask:
    """What the shared loop needs to know of fine-tuning."""

    journal: Journal

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
        self.lengths = column(tables["train"], "length")[self.train_rows]
        self.labels = {split: column(table, "label").astype(np.int64) for split, table in tables.items()}
        eps, decay = self.settings.fgm_eps, self.settings.ema_decay
        self.attack = Fgm(model.word_embedding, eps, self.settings.fgm_direction) if eps else None
        self.ema = Ema(model, decay) if decay else None
        self.best: dict = {"score": None, "step": 0}

    def update(self, step: int, epoch: int, micro_batches: list[MicroBatch]) -> dict[str, float]:
        device = self.engine.world.device
        batches = []
        for micro_batch in micro_batches:
            rows = MicroBatch(self.train_rows[micro_batch.rows], micro_batch.index, micro_batch.counts)
            batches.append(pair_batch(self.tables["train"], rows, self.tokenizer.pad_token_id, device))
        n_pairs = int(self.engine.world.sum(sum(len(b.labels_B) * b.weight for b in batches))[0])
        return train_step(
            self.engine, batches, n_pairs, self.seed, step, self.settings.max_grad_norm, self.attack, self.ema
        )

    def evaluate(self, step: int) -> None:
        """Score dev with the weights that would be saved; keep them where they are the best so far."""
        with self.evaluated_weights():
            scores = self.dev_scores()
            self.journal.evaluation(step, {f"dev_{key}": value for key, value in scores.items()})
            by = self.settings.best_by
            score = -scores["loss"] if by == "loss" else scores[by]
            if self.best["score"] is None or score > self.best["score"]:
                self.best = {"score": score, "step": step}
                if self.engine.world.is_first:
                    with folder_atomic(self.folder / "best") as partial:
                        save_weights(self.model, partial / "model.safetensors")

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
            load_weights(self.model, best, world.device)
        probabilities = {split: self._probabilities(split) for split in ("dev", "test")}
        threshold = self._threshold(probabilities["dev"][:, 1])
        scores = {
            split: {**scores_of(p[:, 1], self.labels[split], threshold), "threshold": threshold}
            for split, p in probabilities.items()
            if (self.labels[split] >= 0).all()
        }
        if world.is_first:
            with folder_atomic(self.folder / "result") as result:
                classifier = self.model.classifier
                classifier.save_pretrained(result / "model", state_dict=copied_weights(classifier))
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

    def _probabilities(self, split: str) -> np.ndarray:
        return predict_probabilities(
            self.model.classifier, self.tables[split], self.tokenizer.pad_token_id, self.engine.world
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
