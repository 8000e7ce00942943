"""LoRA on all engines: two ranks take the updates of one process, and leave the frozen weights as they were."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from training_support import ENGINES, largest_difference, run_on_two_ranks
from v0_support import pair_run, write_start

from final_project.model.adapters.lora import is_adapter
from final_project.parallel.world import World

pytest.importorskip("peft", reason="peft is not installed: pip install peft")
pytestmark = [pytest.mark.engines, pytest.mark.timeout(1800)]

CHOSEN = ("lora_rank=2", "lora_alpha=8", "lora_dropout=0.1", "ema_decay=0.5", "fgm_eps=1", "pool=mean_and_cls")
QUICK = ("ddp", "zero2")


def go_through_all(world: World, folder: Path, engines: tuple[str, ...]) -> None:
    """What both ranks do; the first also trains alone, and writes what the test looks at."""
    found = {}
    if world.is_first:
        run = pair_run(folder, World(), *CHOSEN, dropout=0.1)
        start = run.engine.full_weights()
        found["single"] = {"start": start, **run.train(7), **run.end()}
    for engine in engines:
        run = pair_run(folder, world, *CHOSEN, *ENGINES[engine], dropout=0.1)
        found[engine] = {**run.train(7), **run.end()}
    if world.is_first:
        torch.save(found, folder / "found.pt")


@pytest.fixture(scope="module")
def found(prepared, thorough, tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("lora_engines")
    write_start(folder, prepared / "demo" / "prepare")
    run_on_two_ranks(partial(go_through_all, engines=tuple(ENGINES) if thorough else QUICK), folder)
    return torch.load(folder / "found.pt")


@pytest.mark.parametrize(
    "engine", [name if name in QUICK else pytest.param(name, marks=pytest.mark.thorough) for name in ENGINES]
)
def test_two_ranks_train_the_adapters_of_one_process(engine, found):
    single, ranks = found["single"], found[engine]
    for figure in ("loss", "grad_norm"):
        assert ranks[figure] == pytest.approx(single[figure], abs=1e-5, rel=1e-5)
    for weights in ("weights", "averaged"):
        assert largest_difference(ranks[weights], single[weights]) < 1e-5
    moved = {name for name, value in ranks["weights"].items() if not torch.equal(value, single["start"][name])}
    assert any(map(is_adapter, moved)) and not any("base_layer" in name or "embeddings" in name for name in moved)
