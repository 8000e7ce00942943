"""Tiny masked-LM runs on any engine, inside processes that a test has started: two ranks, all engines in turn."""

from __future__ import annotations

import logging
import math
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.distributed as dist
from conftest import TINY

from final_project.cli import set_up_libraries
from final_project.parallel.world import World
from final_project.recipe import load_recipe
from final_project.settings import Recipe
from final_project.tokens.token_table import write_token_table
from final_project.training.batching import epoch_steps, share_of_rank, steps_per_epoch
from final_project.training.engines import build_engine
from final_project.training.engines.engine import Engine
from final_project.training.optim import set_lr
from posttrain.corpus import read_texts
from posttrain.fit import start_model
from posttrain.model import MaskedLm
from posttrain.task import MaskedLmTask

ENGINES = {
    "ddp": (),
    "fsdp2": ("engine=fsdp2",),
    "fairscale": ("engine=fairscale",),
    "zero0": ("engine=deepspeed", "zero_stage=0"),
    "zero1": ("engine=deepspeed", "zero_stage=1"),
    "zero2": ("engine=deepspeed", "zero_stage=2"),
    "zero3": ("engine=deepspeed", "zero_stage=3"),
}
OFFLOADED = {f"{zero}_offload": (*ENGINES[zero], "offload_optimizer=true") for zero in ("zero1", "zero3")}
TOTAL = 50


def settings_of(stage: str, engine: str) -> list[str]:
    """The overrides that choose one of ENGINES for a stage."""
    return [f"{stage}.{setting}" for setting in ENGINES[engine]]


@dataclass
class Run:
    """One engine with its task, at some update. losses, norms: of the updates taken by this object."""

    recipe: Recipe
    engine: Engine
    task: MaskedLmTask

    def train(self, until: int) -> dict[str, list[float]]:
        """Take the updates up to number `until` of TOTAL; the figures of each."""
        figures = {"loss": [], "grad_norm": []}
        while self.engine.n_updates < until:
            shown = self.try_update()
            for name, values in figures.items():
                values.append(shown[name])
        return figures

    def try_update(self) -> dict[str, float]:
        """Take the next update of TOTAL, or try to; its figures."""
        settings, world, done = self.recipe.posttrain, self.engine.world, self.engine.n_updates
        epoch, position = divmod(done, steps_per_epoch(len(self.task.lengths), settings.step_rows, settings.micro_rows))
        steps = epoch_steps(self.task.lengths, settings.step_rows, settings.micro_rows, self.recipe.seed, epoch)
        set_lr(self.engine.optimizer, done, TOTAL, settings)
        mine = share_of_rank(steps[position], world.rank, world.size)
        return self.task.update(done + 1, epoch, self.task.prepare(epoch, mine))


def tiny_recipe(*overrides: str) -> Recipe:
    """A step of 8 rows, with dropout, warm-up and clipping that bites."""
    wanted = ("step_rows=8", "micro_rows=4", "max_grad_norm=0.5", "lr=1e-3", *overrides)
    return load_recipe("demo", [*TINY, "encoder.dropout=0.1", *(f"posttrain.{setting}" for setting in wanted)])


def write_corpus(folder: Path, text_file: Path) -> None:
    """The first rows of a text as the token table that tiny runs read."""
    lines = text_file.read_text(encoding="utf-8").splitlines(keepends=True)
    (folder / "text.tsv").write_text("".join(lines[:200]), encoding="utf-8")
    tokenizer, _ = start_model(tiny_recipe(), folder / "text.tsv")
    write_token_table(read_texts(folder / "text.tsv", "pair"), tokenizer, 64, folder / "tokens.arrow")


def tiny_run(folder: Path, world: World, *overrides: str, precision: str = "fp32") -> Run:
    recipe = tiny_recipe(*overrides)
    tokenizer, model = start_model(recipe, folder / "text.tsv")
    engine = build_engine(recipe.posttrain.engine, MaskedLm(model), recipe.posttrain, precision, world)
    engine.wrapper.train()
    return Run(recipe, engine, MaskedLmTask(engine, recipe, tokenizer, folder / "tokens.arrow"))


def run_on_two_ranks(work: Callable[[World, Path], None], folder: Path) -> None:
    """Run work(world, folder) in two new processes with a gloo group between them; an error in one fails both."""
    torch.multiprocessing.spawn(_rank, (work, folder), nprocs=2)


def _rank(rank: int, work: Callable[[World, Path], None], folder: Path) -> None:
    set_up_libraries()
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)  # DeepSpeed warns of each step that it passes over
    torch.set_num_threads(1)
    # DeepSpeed reads these even where the group is already there
    os.environ.update(RANK=str(rank), LOCAL_RANK=str(rank), WORLD_SIZE="2", MASTER_ADDR="127.0.0.1", MASTER_PORT="0")
    dist.init_process_group("gloo", init_method=f"file://{folder / 'rendezvous'}", rank=rank, world_size=2)
    try:
        work(World(rank, 2), folder)
    finally:
        dist.destroy_process_group()


def largest_difference(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    assert a.keys() == b.keys()
    return max((float((a[name] - b[name]).abs().max()) for name in a), default=math.nan)
