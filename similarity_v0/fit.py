"""The stage's work: tokenise, train, choose the best checkpoint and its threshold on dev, predict test, record."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from transformers import PreTrainedTokenizerBase

from final_project.artifacts import RECORD_NAME, StageFolder
from final_project.data.tables import read_pairs
from final_project.errors import ArtifactError, DataError
from final_project.inputs import place_of_init
from final_project.model.folder import load_tokenizer
from final_project.model.token_table import open_token_table, write_token_table
from final_project.settings import Recipe
from final_project.training.engines import build_engine
from final_project.training.loop import run_loop
from final_project.training.precision import resolve_precision
from final_project.training.throughput import work_of
from final_project.training.world import World
from similarity_v0.model import pair_model_from
from similarity_v0.record import append_record
from similarity_v0.task import PairTask

log = logging.getLogger(__name__)

SPLITS = ("train", "dev", "test")


def fit(recipe: Recipe, folder: StageFolder, world: World) -> tuple[list[str], dict]:
    """Fine-tune on every rank; returns the written files and the facts for the manifest."""
    settings = recipe.similarity_v0
    precision = resolve_precision(settings.precision, world.device)  # refused before anything is loaded
    place = start_place(recipe, folder.run_dir)
    tokenizer = load_tokenizer(place)
    tokenizer.model_max_length = settings.max_length  # saved with it, so that others cut where training did
    model = pair_model_from(place, recipe.seed)
    if settings.max_length > model.classifier.config.max_position_embeddings:
        raise ArtifactError(f"{place}: similarity_v0.max_length {settings.max_length} exceeds the model's positions")
    if world.is_first:
        tokenise(folder, tokenizer, settings.max_length)
    world.barrier()
    tables = {split: open_token_table(folder.path / f"{split}_tokens") for split in SPLITS}
    n_weights = model.classifier.num_parameters()
    work = work_of(model.classifier, passes=2 if settings.fgm_eps else 1)
    engine = build_engine(settings.engine, model, settings, precision, world)
    task = PairTask(engine, model, recipe, tokenizer, tables, folder.path)
    log.info(
        "similarity_v0: %d pairs, %.1f M weights from %s, %s in %s on %d x %s",
        len(task.train_rows), n_weights / 1e6, place,
        engine.name, precision, world.size, world.device.type,
    )  # fmt: skip
    began = time.monotonic()
    n_updates = run_loop(task, engine, settings, recipe.seed, settings.eval_every, folder.path, "similarity_v0", work)
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
        target = folder.path / f"{split}_tokens"
        if target.is_dir():
            continue
        source = folder.run_dir / "prepare" / f"{split}.csv"
        pairs = read_pairs(source)
        if split != "test" and any(pair.label is None for pair in pairs):
            raise DataError(source, f"the {split} split needs a label on every row")
        rows = ((pair.sentence1, pair.sentence2, pair.label) for pair in pairs)
        n_truncated = write_token_table(rows, tokenizer, max_length, target)
        log.info("similarity_v0: %s: %d pairs, %d cut to %d tokens", split, len(pairs), n_truncated, max_length)
