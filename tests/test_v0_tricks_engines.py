"""All tricks on all engines: two ranks take the updates of one process, with accumulation, stand-ins and dropout."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
import torch
from training_support import ENGINES, OFFLOADED, largest_difference, run_on_two_ranks
from v0_support import pair_run, write_start

from final_project.parallel.world import World

PGD = ("pgd_eps=1", "r_drop=1", "lr_groups=decay")
TRICKS = {
    "fgm": ("fgm_eps=1", "ema_decay=0.9", "lr_groups=thirds", "head_lr_factor=3"),
    "pgd": PGD,
    "pgd_dropout": (*PGD, "multi_dropout_samples=4", "multi_dropout_reduce=sum", "label_smoothing=0.1"),
    "freelb": ("freelb_eps=0.2", "mixup=pool", "freeze_layers=1", "loss=focal"),
    "awp": ("awp_gamma=0.01", "mixup=layer", "swa_start=0.5", "r_drop=1"),
    "flood": ("flood=9", "class_weights=balanced", "fgm_eps=1", "attack_from=0.1", "lr_floor=0.5", "pool=mean_and_cls"),
    "reinit": ("reinit_layers=1", "pool=attention_mlp", "head_weight_decay=0.1", "mixup=pool", "lr_groups=decay"),
    "accumulated": ("fgm_eps=1", "mixup=embeddings", "freeze_embeddings=true", "pool=mean", "ema_decay=0.5"),
}
DROPOUT = {"pgd_dropout": 0.1, "freelb": 0.1, "awp": 0.1}
LONG = ("fgm", "pgd", "pgd_dropout")  # these for thirty updates, the others for seven
QUICK_TRICKS = [("fsdp2", "pgd_dropout"), ("zero2", "awp"), ("zero2", "flood")]
EVIDENCE = {
    "ddp": {"wrapper": "DistributedDataParallel", "weights_held": 1.0},
    "fsdp2": {"wrapper": "FSDPPairModel", "weights": "DTensor", "weights_held": 0.5},
    "fairscale": {"wrapper": "ShardedDataParallel", "optimizer": "OSS"},
    "zero0": {"optimizer": "AdamW", "zero_stage": 0},
    "zero1": {"optimizer": "DeepSpeedZeroOptimizer", "zero_stage": 1, "moments_held": 0.5},
    "zero2": {"optimizer": "DeepSpeedZeroOptimizer", "zero_stage": 2, "moments_held": 0.5},
    "zero3": {"optimizer": "DeepSpeedZeroOptimizer_Stage3", "weights": "partitioned", "weights_held": 0.5},
}
EVIDENCE |= {name: {**EVIDENCE[name.removesuffix("_offload")], "offload": True} for name in OFFLOADED}


def cases(thorough: bool) -> list[tuple[str, str]]:
    """Engines and sets of tricks that are tried. ZeRO 0 and 1 and offload share the code of the others, so what goes
    beyond a plain pass is tried with them."""
    if not thorough:
        return QUICK_TRICKS
    main = [name for name in ENGINES if name not in ("zero0", "zero1")]
    others = ["zero0", "zero1", *OFFLOADED]
    return [(e, name) for e in main for name in TRICKS] + [(e, name) for e in others for name in ("pgd", "awp")]


def go_through_all(world: World, folder: Path, thorough: bool) -> None:
    """What both ranks do; the first also trains alone, and writes what the test looks at."""
    found = {}
    for engine, name in cases(thorough):
        n_updates = 30 if thorough and name in LONG else 7
        found[engine, name] = trained(world, folder, n_updates, name, *{**ENGINES, **OFFLOADED}[engine])
        if world.is_first and ("single", name) not in found:
            found["single", name] = trained(World(), folder, n_updates, name)
    if world.is_first:
        torch.save(found, folder / "found.pt")


def trained(world: World, folder: Path, n_updates: int, name: str, *overrides: str) -> dict:
    run = pair_run(folder, world, *TRICKS[name], *overrides, dropout=DROPOUT.get(name, 0.0))
    return {**run.train(n_updates), **run.end()}


pytestmark = [pytest.mark.engines, pytest.mark.timeout(1800)]  # --thorough


@pytest.fixture(scope="module")
def found(prepared, thorough, tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("tricks")
    write_start(folder, prepared / "demo" / "prepare")
    run_on_two_ranks(partial(go_through_all, thorough=thorough), folder)
    return torch.load(folder / "found.pt")


@pytest.mark.parametrize(
    ("engine", "name"),
    [case if case in cases(False) else pytest.param(*case, marks=pytest.mark.thorough) for case in cases(True)],
)
def test_two_ranks_with_accumulation_equal_one_process(engine, name, found):
    single, ranks = found["single", name], found[engine, name]
    for key, expected in EVIDENCE[engine].items():
        held = ranks["evidence"][key]
        assert held == (pytest.approx(expected, abs=0.02) if isinstance(expected, float) else expected), key
    assert max(single["grad_norm"]) > 0.5, "clipping was to bite"
    for figure in ("loss", "grad_norm"):
        assert ranks[figure] == pytest.approx(single[figure], abs=1e-5, rel=1e-5)
    for weights in ("weights", "averaged"):
        assert largest_difference(ranks[weights], single[weights]) < 1e-5
