"""All engines beside each other: two ranks that go through them one after the other, against one process.

DDP, FSDP2, fairscale and DeepSpeed ZeRO 0-3 take the same updates, write the same checkpoints, and read each other's.
"""

from __future__ import annotations

import math
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from training_support import (
    ENGINES,
    OFFLOADED,
    TOTAL,
    Run,
    largest_difference,
    run_on_two_ranks,
    tiny_recipe,
    tiny_run,
    write_corpus,
)

from final_project.parallel.world import World
from final_project.training.engines.deepspeed_zero import config_path, filled_config

pytestmark = pytest.mark.engines

ACCUMULATION = {1: "micro_rows=4", 4: "micro_rows=1"}  # of the 8 rows of a step, on two ranks
QUICK = 12  # updates with accumulation 4, unless --thorough was given
SAVED_AT = 45
CHAIN = ("ddp", "fsdp2", "zero1", "single", "zero3", "fairscale", "zero2", "zero0", "ddp")
LINK = SAVED_AT // len(CHAIN)  # updates that each engine of the chain takes
PRECISIONS = ("fp32", "bf16", "fp16")
SHORT = 6

EVIDENCE = {
    "ddp": {"wrapper": "DistributedDataParallel", "optimizer": "AdamW", "weights_held": 1.0, "moments_held": 1.0},
    "fsdp2": {"wrapper": "FSDPMaskedLm", "weights": "DTensor", "weights_held": 0.5, "moments_held": 0.5},
    "fairscale": {"wrapper": "ShardedDataParallel", "optimizer": "OSS", "weights_held": 1.0, "moments_held": 0.5},
    "zero0": {"optimizer": "AdamW", "zero_stage": 0, "weights_held": 1.0, "moments_held": 1.0},
    "zero1": {"optimizer": "DeepSpeedZeroOptimizer", "zero_stage": 1, "weights_held": 1.0, "moments_held": 0.5},
    "zero2": {"optimizer": "DeepSpeedZeroOptimizer", "zero_stage": 2, "weights_held": 1.0, "moments_held": 0.5},
    "zero3": {
        "optimizer": "DeepSpeedZeroOptimizer_Stage3", "zero_stage": 3, "weights": "partitioned",
        "weights_held": 0.5, "moments_held": 0.5,
    },
}  # fmt: skip
EVIDENCE |= {name: {**EVIDENCE[name.removesuffix("_offload")], "offload": True} for name in OFFLOADED}


def settings_of(name: str) -> tuple[str, ...]:
    return {"single": (), **ENGINES, **OFFLOADED}[name]


def go_through_all_engines(world: World, folder: Path, thorough: bool) -> None:
    """What both ranks do; the first writes what the tests look at."""
    accumulated = TOTAL if thorough else QUICK
    found = {
        **{(name, 1): curve_with_a_checkpoint(world, folder, name) for name in ENGINES},
        **{(name, 4): curve(world, folder, name, 4, accumulated) for name in ENGINES},
        **{key: short(world, folder, *key) for key in shorts(thorough)},
    }
    chain(world, folder)
    found["files"] = take_files_as_they_are(world)
    if world.is_first:
        found["single", 1] = curve_with_a_checkpoint(World(), folder, "single")
        found["single", 4] = curve(World(), folder, "single", 4, accumulated)
        found |= {("single", precision): short(World(), folder, "single", precision) for precision in PRECISIONS}
        torch.save(found, folder / "found.pt")


def shorts(thorough: bool) -> list[tuple[str, str]]:
    """Which engines are tried in which precision."""
    quick = [(name, "fp32") for name in (*ENGINES, *OFFLOADED)] + [(name, "fp16") for name in ENGINES]
    more = [(name, "bf16") for name in (*ENGINES, *OFFLOADED)] + [(name, "fp16") for name in OFFLOADED]
    return quick + more if thorough else quick


def curve(world: World, folder: Path, name: str, accumulation: int, updates: int) -> dict:
    run = tiny_run(folder, world, *settings_of(name), ACCUMULATION[accumulation])
    return {**run.train(until=updates), **end_of(run)}


def curve_with_a_checkpoint(world: World, folder: Path, name: str) -> dict:
    """TOTAL updates with a checkpoint on the way, and from there once more to the end."""
    run, saved = tiny_run(folder, world, *settings_of(name), ACCUMULATION[1]), folder / f"{name}-{world.size}"
    figures = run.train(until=SAVED_AT)
    saved.mkdir(exist_ok=True)
    run.engine.save(saved)
    world.barrier()
    rest = run.train(until=TOTAL)
    again = tiny_run(folder, world, *settings_of(name), ACCUMULATION[1])
    again.engine.load(saved)
    again.train(until=TOTAL)
    return {**{key: figures[key] + rest[key] for key in figures}, **end_of(run), "resumed": again.engine.full_weights()}


def end_of(run: Run) -> dict:
    weights, evidence = run.engine.full_weights(), run.engine.evidence()
    return {"weights": weights, "evidence": evidence, **run.task.evaluate(run.engine.n_updates)}


def short(world: World, folder: Path, name: str, precision: str) -> dict:
    """A few updates, one whose gradients are not finite, and one more."""
    run = tiny_run(folder, world, *settings_of(name), precision=precision)
    scale = run.engine.loss_scale.value = min(run.engine.loss_scale.value, 1024.0)
    figures = run.train(until=SHORT)
    before = run.engine.full_weights()
    run.engine.loss_scale.value = math.inf
    bad = run.try_update()
    after = run.engine.full_weights()
    run.engine.loss_scale.value = scale
    run.train(until=SHORT + 1)
    bad = {"bad_norm": bad["grad_norm"], "before": before, "after": after}
    return {**figures, **bad, "weights": run.engine.full_weights(), "evidence": run.engine.evidence()}


def take_files_as_they_are(world: World) -> list[str]:
    """DeepSpeed itself with the JSON files of the project, nothing filled in; which optimizer it made of each."""
    import deepspeed

    made = []
    for stage in range(4):
        model = torch.nn.Linear(8, 8)
        adam = torch.optim.AdamW(model.parameters())
        engine, optimizer, _, _ = deepspeed.initialize(model=model, optimizer=adam, config=str(config_path(stage)))
        engine.backward(engine(torch.full((1, 8), world.rank + 1.0)).square().mean())
        engine.step()
        made.append(type(optimizer).__name__)
    return made


def chain(world: World, folder: Path) -> None:
    """One training, every few updates on another engine or number of ranks."""
    for position, name in enumerate(CHAIN):
        if name != "single" or world.is_first:
            run = tiny_run(folder, World() if name == "single" else world, *settings_of(name))
            if position:
                run.engine.load(folder / f"chain-{position - 1}")
            run.train(until=(position + 1) * LINK)
            saved = folder / f"chain-{position}"
            saved.mkdir(exist_ok=True)
            run.engine.save(saved)
        world.barrier()


@pytest.fixture(scope="module")
def found(prepared, thorough, tmp_path_factory) -> dict:
    folder = tmp_path_factory.mktemp("sharded")
    write_corpus(folder, prepared / "demo" / "prepare" / "text.tsv")
    run_on_two_ranks(partial(go_through_all_engines, thorough=thorough), folder)
    return {**torch.load(folder / "found.pt"), "folder": folder}


def assert_evidence(name: str, evidence: dict) -> None:
    """That the engine which was asked for really worked, and that what it shards was sharded."""
    for key, expected in EVIDENCE[name].items():
        found = evidence[key]
        assert found == (pytest.approx(expected, abs=0.02) if isinstance(expected, float) else expected), key


@pytest.mark.parametrize("accumulation", ACCUMULATION)
@pytest.mark.parametrize("name", ENGINES)
def test_fifty_updates_on_two_ranks_equal_one_process(name, accumulation, found, thorough):
    single, ranks = found["single", accumulation], found[name, accumulation]
    assert_evidence(name, ranks["evidence"])
    assert len(ranks["loss"]) == (TOTAL if accumulation == 1 or thorough else QUICK)
    assert max(single["grad_norm"]) > 0.5, "clipping was to bite"
    for figure in ("loss", "grad_norm"):
        assert ranks[figure] == pytest.approx(single[figure], abs=1e-5)
    assert ranks["held_out_loss"] == pytest.approx(single["held_out_loss"], abs=1e-5)
    assert largest_difference(ranks["weights"], single["weights"]) < 1e-5


@pytest.mark.parametrize("name", ["single", *ENGINES])
def test_a_resumed_run_ends_with_the_same_bits(name, found):
    assert largest_difference(found[name, 1]["weights"], found[name, 1]["resumed"]) == 0


def test_a_run_may_resume_with_any_engine_and_number_of_ranks(found):
    for file in ("model", "exp_avg", "exp_avg_sq"):
        passed_on = load_file(found["folder"] / f"chain-{len(CHAIN) - 1}" / f"{file}.safetensors")
        assert largest_difference(passed_on, load_file(found["folder"] / "single-1" / f"{file}.safetensors")) < 1e-6


def test_deepspeed_takes_the_json_files_as_they_are(found):
    assert found["files"] == [EVIDENCE[f"zero{stage}"]["optimizer"] for stage in range(4)]


@pytest.mark.parametrize("stage", range(4))
def test_the_recipe_fills_the_fields_that_must_agree(stage):
    settings = tiny_recipe("engine=deepspeed", f"zero_stage={stage}", "micro_rows=2").posttrain
    config = filled_config(settings, World())
    assert config["zero_optimization"]["stage"] == stage
    assert config["train_micro_batch_size_per_gpu"] == settings.micro_rows == 2
    assert config["gradient_clipping"] == settings.max_grad_norm == 0.5
    assert "offload_optimizer" not in config["zero_optimization"]


@pytest.mark.parametrize(("name", "precision"), shorts(thorough=True))
def test_the_arithmetic_is_the_same_in_every_precision(name, precision, found, thorough):
    """fp16 is refused on a CPU, but its loss scale can be tried there."""
    single, ranks = found["single", precision], found_short(found, name, precision, thorough)
    assert_evidence(name, ranks["evidence"])
    # from the second step on, rounding to 16 bit makes large differences of small ones
    exact, close = (1e-5, 1e-5) if precision == "fp32" else (1e-4, 2e-2)
    assert ranks["grad_norm"][0] == pytest.approx(single["grad_norm"][0], rel=exact)
    assert ranks["grad_norm"] == pytest.approx(single["grad_norm"], rel=close)
    assert ranks["loss"] == pytest.approx(single["loss"], rel=close)
    assert largest_difference(ranks["weights"], single["weights"]) < (1e-6 if precision == "fp32" else 1e-3)


@pytest.mark.parametrize(("name", "precision"), [("single", precision) for precision in PRECISIONS] + shorts(True))
def test_gradients_that_are_not_finite_change_nothing(name, precision, found, thorough):
    short = found_short(found, name, precision, thorough)
    assert not math.isfinite(short["bad_norm"])
    assert largest_difference(short["before"], short["after"]) == 0
    assert largest_difference(short["after"], short["weights"]) > 0, "the next step was to be taken"


def found_short(found: dict, name: str, precision: str, thorough: bool) -> dict:
    if name != "single" and (name, precision) not in shorts(thorough):
        pytest.skip("takes too long for every run: bash run.sh test --thorough")
    return found[name, precision]
