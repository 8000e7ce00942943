"""Tiny fine-tuning runs on any engine, inside processes that a test has started."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from conftest import TINY
from training_support import tiny_recipe as tiny_posttrain_recipe

from final_project.data.files.tables import read_pairs
from final_project.model.folder import load_tokenizer
from final_project.parallel.world import World
from final_project.recipe import load_recipe
from final_project.settings import Recipe
from final_project.tokens.token_table import open_token_table, write_token_table
from final_project.training.batching import epoch_steps, share_of_rank, steps_per_epoch
from final_project.training.engines import build_engine
from final_project.training.engines.engine import Engine
from final_project.training.optim import set_lr
from posttrain.fit import start_model
from similarity_v0.model import pair_model_from
from similarity_v0.param_groups import pair_groups
from similarity_v0.task import PairTask

N_PAIRS = 43  # the sixth step of an epoch has three rows, so that one of two ranks runs a stand-in
SHARED = ("step_rows=8", "micro_rows=1", "max_grad_norm=0.5", "lr=1e-3", "warmup_frac=0.1", "epochs=5")


@dataclass
class PairRun:
    """A task with its engine, at some update of those that the recipe asks for."""

    recipe: Recipe
    engine: Engine
    task: PairTask

    def train(self, n_updates: int, first: int = 0) -> dict[str, list[float]]:
        """Take the first updates, or those after `first`; the figures of each."""
        settings, world = self.recipe.similarity_v0, self.engine.world
        per_epoch = steps_per_epoch(N_PAIRS, settings.step_rows, settings.micro_rows)
        figures: dict[str, list[float]] = {"loss": [], "grad_norm": []}
        for done in range(first, n_updates):
            epoch, position = divmod(done, per_epoch)
            steps = epoch_steps(self.task.lengths, settings.step_rows, settings.micro_rows, self.recipe.seed, epoch)
            set_lr(self.engine.optimizer, done, settings.epochs * per_epoch, settings)
            mine = share_of_rank(steps[position], world.rank, world.size)
            shown = self.task.update(done + 1, epoch, self.task.prepare(epoch, mine))
            for name, values in figures.items():
                values.append(shown[name])
        return figures

    def end(self) -> dict:
        """The weights in full on the first rank, those of the average too, and what the engine says of itself."""
        average = self.task.average
        with average.applied() if average else contextlib.nullcontext():
            averaged = self.engine.full_weights()
        return {"weights": self.engine.full_weights(), "averaged": averaged, "evidence": self.engine.evidence()}


def write_start(folder: Path, prepare: Path) -> None:
    """What tiny runs start from: an encoder with random weights, its tokenizer, and a table of pairs."""
    tokenizer, model = start_model(tiny_posttrain_recipe(), prepare / "text.tsv")
    model.save_pretrained(folder / "start")
    tokenizer.save_pretrained(folder / "start")
    pairs = read_pairs(prepare / "train.csv")[:N_PAIRS]
    write_token_table(((p.sentence1, p.sentence2, p.label) for p in pairs), tokenizer, 64, folder / "tokens")


def pair_run(folder: Path, world: World, *overrides: str, dropout: float = 0.0, precision: str = "fp32") -> PairRun:
    """overrides: of similarity_v0."""
    wanted = [f"similarity_v0.{setting}" for setting in (*SHARED, *overrides)]
    recipe = load_recipe("demo", [*TINY, *wanted])
    settings = recipe.similarity_v0
    model = pair_model_from(str(folder / "start"), recipe.seed, settings)
    for part in model.modules():
        if isinstance(part, torch.nn.Dropout):
            part.p = dropout
    engine = build_engine(settings.engine, model, settings, precision, world, pair_groups)
    engine.wrapper.train()
    table = open_token_table(folder / "tokens")
    tokenizer = load_tokenizer(str(folder / "start"))
    return PairRun(
        recipe, engine, PairTask(engine, model, recipe, tokenizer, {"train": table}, np.arange(N_PAIRS), folder)
    )
