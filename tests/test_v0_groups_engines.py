"""Grouped rates on every engine: two ranks that take the updates of one process, and resume from a checkpoint."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from test_v0_groups import model_of
from tiny_models import random_inputs
from training_support import ENGINES, largest_difference, run_on_two_ranks

from final_project.parallel.world import World
from final_project.recipe import load_recipe
from final_project.settings import SimilarityV0
from final_project.training.engines import build_engine
from final_project.training.optim import MOMENTS, set_lr
from similarity_v0.batches import PairBatch
from similarity_v0.param_groups import pair_groups
from similarity_v0.train_step import Step, train_step
from similarity_v0.tricks.chosen import Tricks

pytestmark = pytest.mark.engines

UPDATES = 6
GROUPED = {"lr_groups": "thirds", "head_lr_factor": 5.0, "freeze_layers": 1, "lr_patterns": ["*pooler*=2"]}
TRIED = {
    **{(name, "adamw"): options for name, options in ENGINES.items()},
    **{(name, "lion"): ENGINES[name] for name in ("ddp", "fsdp2", "fairscale", "zero2", "zero3")},
    **{(name, "adafactor"): ENGINES[name] for name in ("ddp", "fairscale")},
}
QUICK = {"fsdp2-adamw", "fairscale-adamw", "zero3-adamw", "fsdp2-lion", "zero2-lion", "fairscale-adafactor"}
N_PAIRS = 6


def cases(*more: tuple[str, str]) -> list:
    """What is tried in every run, and what with --thorough alone."""
    return [
        pytest.param(key, id="-".join(key), marks=() if key in more or "-".join(key) in QUICK else pytest.mark.thorough)
        for key in (*more, *TRIED)
    ]


def chosen_for(options: tuple[str, ...], optimizer: str) -> SimilarityV0:
    rate = {"adamw": 1e-3, "lion": 2e-4, "adafactor": 1e-2}[optimizer]
    overrides = [f"optimizer={optimizer}", f"lr={rate}", "warmup_frac=0.2", *options]
    overrides += [f"{key}={value}" for key, value in GROUPED.items()]
    return load_recipe("demo", [f"similarity_v0.{entry}" for entry in overrides]).similarity_v0


def batches_of(update: int, world: World) -> list[PairBatch]:
    inputs = random_inputs(N_PAIRS, seed=update)
    labels = torch.arange(N_PAIRS) % 2
    halves = [torch.arange(N_PAIRS)[at::2] for at in range(2)]
    return [
        PairBatch(
            {name: value[rows] for name, value in inputs.items()}, labels[rows], torch.ones(len(labels[rows])), True, at
        )
        for at, rows in enumerate(halves)
        if at % world.size == world.rank
    ]


def trained(world: World, options: tuple[str, ...], optimizer: str, folder: Path) -> dict:
    """Some updates with a checkpoint on the way, and from there once more to the end."""
    saved = folder / f"{'-'.join(options)}-{optimizer}-{world.size}"
    saved.mkdir(exist_ok=True)

    def run(first: int, load: bool) -> dict[str, torch.Tensor]:
        chosen, model = chosen_for(options, optimizer), model_of(3)
        model.freeze(chosen.freeze_embeddings, chosen.freeze_layers)
        engine = build_engine(chosen.engine, model, chosen, "fp32", world, pair_groups)
        if load:
            engine.load(saved)
        for update in range(first, UPDATES):
            if update == UPDATES // 2 and not load:
                engine.save(saved)
                world.barrier()
            set_lr(engine.optimizer, update, UPDATES, chosen)
            train_step(engine, Step(batches_of(update, world), N_PAIRS, 1, update), 0.5, Tricks())
        return engine.full_weights()

    whole = run(0, load=False)
    return {"weights": whole, "resumed": run(UPDATES // 2, load=True)}


def go_through_all(world: World, folder: Path, thorough: bool) -> None:
    tried = {key: options for key, options in TRIED.items() if thorough or "-".join(key) in QUICK}
    found = {key: trained(world, options, key[1], folder) for key, options in tried.items()}
    if world.is_first:
        found |= {("single", name): trained(World(), (), name, folder) for name in MOMENTS}
        torch.save(found, folder / "found.pt")


@pytest.fixture(scope="module")
def found(tmp_path_factory, thorough) -> dict:
    folder = tmp_path_factory.mktemp("groups")
    run_on_two_ranks(partial(go_through_all, thorough=thorough), folder)
    return torch.load(folder / "found.pt")


@pytest.mark.parametrize("key", cases())
def test_grouped_rates_on_two_ranks_are_those_of_one_process(key, found):
    single, ranks = found["single", key[1]]["weights"], found[key]["weights"]
    difference = largest_difference(single, ranks)
    if key[1] != "lion":
        assert difference < 1e-5
    else:  # a sign: where a gradient is next to nothing, rounding decides it, and few gradients are
        n_other = sum(int(((single[name] - ranks[name]).abs() > 1e-5).sum()) for name in single)
        assert n_other < 1e-3 * sum(weight.numel() for weight in single.values())


@pytest.mark.parametrize("key", cases(*(("single", name) for name in MOMENTS)))
def test_a_run_with_any_optimizer_resumes_from_its_checkpoint_with_the_same_bits(key, found):
    assert largest_difference(found[key]["weights"], found[key]["resumed"]) == 0


def test_frozen_layers_stay_on_every_engine(found):
    start = {name: value.detach() for name, value in model_of(3).named_parameters()}
    for key, run in found.items():
        for name, value in start.items():
            is_same = torch.equal(run["weights"][name], value)
            assert is_same == (".layer.0." in name or "key.bias" in name), (key, name)
