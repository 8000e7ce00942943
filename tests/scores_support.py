"""Tiny trainings of scores on any engine, inside processes that a test has started."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from final_project.model.folder import load_tokenizer
from final_project.parallel.world import World
from final_project.recipe import load_recipe
from final_project.settings import Targets
from final_project.tokens.token_table import LabelColumn, open_token_table, write_token_table
from final_project.tokens.tokenizer import with_special_tokens_as_text
from final_project.training.batching import epoch_steps, share_of_rank
from final_project.training.engines import build_engine
from final_project.training.optim import set_lr
from posttrain.fit import start_model
from similarity_v0.decision.numbers import Numbers
from similarity_v0.model import PairModel, pair_model_from
from similarity_v0.param_groups import pair_groups
from similarity_v0.task import PairTask

N_ROWS = 21
NAMES = ("cohesion", "grammar", "conventions")
TARGETS = "targets={names: [cohesion, grammar, conventions]}"
ENCODER = (
    "encoder.n_layers=1", "encoder.hidden_size=32", "encoder.n_heads=2", "encoder.intermediate_size=64",
    "encoder.dropout=0", "encoder.vocab_kind=pieces", "encoder.vocab_size=200", "encoder.lower_case=false",
)  # fmt: skip
TRAINING = (
    "similarity_v0.step_rows=8", "similarity_v0.micro_rows=2", "similarity_v0.lr=1e-3", "similarity_v0.epochs=3",
    "similarity_v0.precision=fp32",
)  # fmt: skip


def recipe_of(*overrides: str):
    return load_recipe("demo", [TARGETS, *ENCODER, *TRAINING, *overrides])


def write_start(folder: Path) -> None:
    """An encoder with random weights, its tokenizer, and a table of texts of which a third of the scores is unknown."""
    from final_project.data.demo.essays import build_essays

    rows = build_essays(N_ROWS, 1, Targets(names=list(NAMES))).sets["train"]
    (folder / "text.tsv").write_text("".join(" ".join(row.text.split()) + "\n" for row in rows), encoding="utf-8")
    tokenizer, model = start_model(recipe_of(), folder / "text.tsv")
    model.save_pretrained(folder / "start")
    with_special_tokens_as_text(tokenizer).save_pretrained(folder / "start")
    generator = np.random.default_rng(5)
    texts = []
    for number, row in enumerate(rows):
        hidden = generator.random(3) < 0.33
        hidden[number % 3] = False
        scores = tuple(None if h else s for h, s in zip(hidden, row.scores, strict=True))
        texts.append((row.text, None, scores))
    write_token_table(texts, tokenizer, 64, folder / "tokens", labels=LabelColumn("float32", 3))


def score_task(folder: Path, world: World, *overrides: str) -> PairTask:
    recipe = recipe_of(*overrides)
    settings = recipe.similarity_v0
    target, table = Numbers(recipe, folder), open_token_table(folder / "tokens")
    model: PairModel = pair_model_from(str(folder / "start"), recipe.seed, settings, target.outputs)
    scale = target.scale_of(table.labels)
    assert scale is not None
    model.scale_outputs(scale.mean_C.tolist(), scale.factor_C.tolist())
    engine = build_engine(settings.engine, model, settings, "fp32", world, pair_groups)
    engine.wrapper.train()
    tokenizer = load_tokenizer(str(folder / "start"))
    return PairTask(engine, model, recipe, tokenizer, {"train": table}, np.arange(N_ROWS), folder, target)


def trained(folder: Path, world: World, n_updates: int, *overrides: str) -> dict:
    """Take the first updates; their figures and the weights in full."""
    task = score_task(folder, world, *overrides)
    settings, figures = task.settings, []
    for done in range(n_updates):
        epoch, position = divmod(done, 3)
        steps = epoch_steps(task.lengths, settings.step_rows, settings.micro_rows, task.seed, epoch)
        set_lr(task.engine.optimizer, done, 9, settings)
        mine = share_of_rank(steps[position], world.rank, world.size)
        figures.append(task.update(done + 1, epoch, task.prepare(epoch, mine)))
    return {
        "loss": [f["loss"] for f in figures],
        "grad_norm": [f["grad_norm"] for f in figures],
        "weights": {name: value.clone() for name, value in task.engine.full_weights().items()},
    }


def save_ranks_results(world: World, folder: Path) -> None:
    """What two ranks come to, by engine and loss."""
    found = {}
    for engine in ("ddp", "fairscale", "zero2"):
        for loss in ("mcrmse", "smooth_l1"):
            extra = {"ddp": (), "fairscale": ("similarity_v0.engine=fairscale",),
                     "zero2": ("similarity_v0.engine=deepspeed", "similarity_v0.zero_stage=2")}[engine]  # fmt: skip
            found[engine, loss] = trained(folder, world, 4, f"similarity_v0.loss={loss}", *extra)
    if world.is_first:
        torch.save(found, folder / "found.pt")
