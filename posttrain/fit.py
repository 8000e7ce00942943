"""The stage's work: tokenise, train, measure, export a standard transformers folder."""

from __future__ import annotations

import functools
import logging
import time
from collections.abc import Mapping
from pathlib import Path

from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from final_project.artifacts import folder_atomic
from final_project.errors import DataError, TrainingError
from final_project.model.encoder import masked_lm_from, masked_lm_from_scratch, trained_pooler
from final_project.model.finite import weights_at_fault
from final_project.model.folder import longest_input
from final_project.model.inspection import require_fit
from final_project.model.model_folder import write_model_folder
from final_project.model.start_folder import resolve_init
from final_project.parallel.world import World
from final_project.run.stage_folder import StageFolder
from final_project.settings import Recipe
from final_project.tokens.packing import first_position_of
from final_project.tokens.token_table import is_token_table_whole, write_token_table
from final_project.tokens.tokenizer import (
    build_tokenizer,
    load_init_tokenizer,
    with_special_tokens,
    with_special_tokens_as_text,
)
from final_project.tokens.vocabulary import add_units, unknown_units
from final_project.training.engines import build_engine
from final_project.training.engines.engine import Engine
from final_project.training.loop import run_loop
from final_project.training.precision import resolve_precision
from final_project.training.throughput import count_model_work
from final_project.training.weights import with_ties
from posttrain.corpus import plain_texts, read_texts
from posttrain.model import MaskedLm
from posttrain.task import MaskedLmTask

log = logging.getLogger(__name__)


def fit(recipe: Recipe, folder: StageFolder, world: World) -> tuple[list[str], dict]:
    """Run masked-LM training on every rank; returns the exported files and the facts for the manifest."""
    settings = recipe.posttrain
    precision = resolve_precision(settings.precision, world.device)  # refuse before anything is loaded
    text_path = folder.run_dir / "prepare" / "text.tsv"
    tokenizer, model = start_model(recipe, text_path)
    require_fit(
        recipe.encoder.init, model, tokenizer, masks=True, setting="posttrain.max_length",
        max_length=settings.max_length, longest=longest_input(model, tokenizer),
    )  # fmt: skip
    pooler = pooler_of_start(recipe)
    if settings.batch_form == "packed":
        first_position_of(model.config)  # refuse before the text is tokenised
    table_path = folder.path / "tokens"
    if world.is_first and not is_token_table_whole(table_path):
        rows = read_texts(text_path, settings.text_form)
        with_words = settings.mask_unit == "word"
        n_truncated = write_token_table(rows, tokenizer, settings.max_length, table_path, with_words)
        log.info("posttrain: tokenised; %d rows were cut to %d tokens", n_truncated, settings.max_length)
    world.barrier()
    n_weights, work = model.num_parameters(), count_model_work(model)
    engine = build_engine(settings.engine, MaskedLm(model), settings, precision, world)
    task = MaskedLmTask(engine, recipe, tokenizer, table_path)
    if not len(task.lengths):
        raise DataError(text_path, "expected text to train on, found none")
    log.info(
        "posttrain: %d rows, %d held out, %.1f M weights, %s in %s on %d x %s",
        len(task.train_rows), len(task.held_out_rows), n_weights / 1e6,
        engine.name, precision, world.size, world.device.type,
    )  # fmt: skip
    began = time.monotonic()
    n_updates = run_loop(
        task, engine, settings, recipe.seed, settings.eval_every, folder.path, "posttrain", work,
        end_with_best=settings.export == "best",
    )  # fmt: skip
    name = f"{recipe.encoder.init.rsplit('/', 1)[-1]}_{settings.epochs}ep"
    outputs = export(engine, model, tokenizer, folder, Path("posttrain_models") / name, pooler)
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
    """Tokenizer and masked-LM model that training starts from, by `encoder.init`."""
    encoder = recipe.encoder
    if encoder.init == "scratch":
        tokenizer = build_tokenizer(
            plain_texts(text_path), encoder.vocab_size, str(text_path), encoder.vocab_words, encoder.vocab_kind,
            encoder.lower_case,
        )  # fmt: skip
        return with_special_tokens_as_text(tokenizer), masked_lm_from_scratch(encoder, tokenizer, recipe.seed)
    place = resolve_init(encoder.init, encoder.allow_download)
    tokenizer = load_init_tokenizer(place, encoder.allow_download)
    model = masked_lm_from(place, tokenizer, encoder.allow_download, trains=recipe.posttrain.epochs > 0)
    if encoder.extend_vocab:
        units = unknown_units(plain_texts(text_path), tokenizer, encoder.extend_vocab)
        add_units(units, model, tokenizer)
        log.info("posttrain: %d unknown characters and words join the vocabulary", len(units))
    return tokenizer, model


def pooler_of_start(recipe: Recipe) -> dict[str, Tensor]:
    """The weights of a trained pooler: unused in this stage, but fine-tuning starts from them."""
    encoder = recipe.encoder
    if encoder.init == "scratch":
        return {}
    return trained_pooler(resolve_init(encoder.init, encoder.allow_download), encoder.allow_download)


def export(
    engine: Engine,
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    folder: StageFolder,
    target: Path,
    pooler: Mapping[str, Tensor],
) -> list[str]:
    """Write the trained model's standard folder, with the start's pooler unchanged. Called on every rank; the first
    writes. Returns the files, relative to the stage's folder; empty on other ranks. Raises TrainingError if a weight is
    not finite."""
    full = engine.full_weights()
    if not engine.world.is_first:
        return []
    if fault := weights_at_fault(full.items()):
        raise TrainingError(f"posttrain: nothing is exported: {fault}: the training has diverged; a lower lr or a "
                            "longer warm-up keeps it finite, and --force starts over")  # fmt: skip
    weights = {**with_ties(full, engine.model, model), **pooler}
    with folder_atomic(folder.path / target) as partial:
        # special tokens are read in a text: users of a masked-LM model write [MASK] into it
        write_model_folder(
            partial, functools.partial(model.save_pretrained, state_dict=weights), with_special_tokens(tokenizer)
        )
    return [str(target / path.name) for path in sorted((folder.path / target).iterdir())]
