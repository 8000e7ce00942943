"""The stage's work: tokenise, train, measure, export a standard transformers folder."""

from __future__ import annotations

import logging
import time
from pathlib import Path

from transformers import PreTrainedModel, PreTrainedTokenizerBase

from final_project.artifacts import StageFolder, folder_atomic
from final_project.errors import DataError
from final_project.inputs import place_of_init
from final_project.model.encoder import masked_lm_from, masked_lm_from_scratch
from final_project.model.token_table import write_token_table
from final_project.model.tokens import build_tokenizer, load_init_tokenizer
from final_project.settings import Recipe
from final_project.training.engines import build_engine
from final_project.training.loop import run_loop
from final_project.training.precision import resolve_precision
from final_project.training.weights import copied_weights
from final_project.training.world import World
from posttrain.corpus import plain_texts, read_texts
from posttrain.model import MaskedLm
from posttrain.task import MaskedLmTask

log = logging.getLogger(__name__)

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
