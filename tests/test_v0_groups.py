"""Grouped rates: which weight learns how fast, at 2, 12 and 24 layers, and on every engine."""

from __future__ import annotations

import logging
from functools import partial
from pathlib import Path

import pytest
import torch
from tiny_models import random_inputs, tiny_classifier, tiny_config
from training_support import ENGINES, largest_difference, run_on_two_ranks
from transformers import BertModel

from final_project.errors import RecipeError
from final_project.model.heads.classifier import PooledClassifier
from final_project.parallel.world import World
from final_project.recipe import load_recipe
from final_project.settings import SimilarityV0
from final_project.training.engines import build_engine
from final_project.training.optim import MOMENTS, optimizer_groups, set_lr
from similarity_v0.batches import PairBatch
from similarity_v0.model import PairModel
from similarity_v0.param_groups import pair_groups
from similarity_v0.train_step import Step, train_step
from similarity_v0.tricks.chosen import Tricks

LR = 1e-3


def settings(**changes) -> SimilarityV0:
    return SimilarityV0(**{"lr": LR, "lr_groups": "thirds", "weight_decay": 0.01, **changes})


def model_of(n_layers: int) -> PairModel:
    return PairModel(tiny_classifier(num_hidden_layers=n_layers))


def rates(model: PairModel, chosen: SimilarityV0) -> dict[str, float]:
    """Weight's name -> its rate over lr, from what an optimizer is given."""
    names = {id(weight): name for name, weight in model.named_parameters()}
    groups = optimizer_groups(model, pair_groups(model, chosen))
    return {names[id(weight)]: group["peak_lr"] / LR for group in groups for weight in group["params"]}


def published_rate(name: str, alpha: float) -> float:
    """The published rule, in its own way: by substrings of the names."""
    for numbers, factor in ((range(0, 4), 1 / 2.6), (range(4, 8), 1.0), (range(8, 12), 2.6)):
        if any(f"layer.{number}." in name for number in numbers):
            return factor
    return 1.0 if "bert." in name else alpha


@pytest.mark.parametrize(("n_layers", "rule"), [(12, "thirds"), (12, "published"), (24, "published"), (24, "original")])
def test_rates_are_those_of_the_published_solution_where_it_names_the_layers(n_layers, rule):
    model = model_of(n_layers)
    found = rates(model, settings(lr_groups=rule, head_lr_factor=20.0))
    assert found == pytest.approx({name: published_rate(name, 20.0) for name, _ in model.named_parameters()})


@pytest.mark.parametrize(
    ("n_layers", "expected"),
    [
        (1, [1.0]),
        (2, [1 / 2.6, 2.6]),
        (4, [1 / 2.6, 1.0, 1.0, 2.6]),
        (12, [1 / 2.6] * 4 + [1.0] * 4 + [2.6] * 4),
        (24, [1 / 2.6] * 8 + [1.0] * 8 + [2.6] * 8),
    ],
)
def test_thirds_scale_to_any_depth(n_layers, expected):
    found = rates(model_of(n_layers), settings())
    layers = [found[f"classifier.bert.encoder.layer.{at}.output.dense.weight"] for at in range(n_layers)]
    assert layers == pytest.approx(expected)
    assert found["classifier.bert.embeddings.word_embeddings.weight"] == 1.0
    assert found["classifier.bert.pooler.dense.weight"] == 1.0


def test_decay_falls_from_layer_to_layer_down_to_the_embeddings():
    found = rates(model_of(12), settings(lr_groups="decay", lr_decay=0.9, head_lr_factor=5.0))
    for layer in range(12):
        assert found[f"classifier.bert.encoder.layer.{layer}.attention.self.query.weight"] == pytest.approx(
            0.9 ** (11 - layer)
        )
    assert found["classifier.bert.embeddings.position_embeddings.weight"] == pytest.approx(0.9**12)
    assert found["classifier.classifier.weight"] == pytest.approx(5.0)


@pytest.mark.parametrize("rule", ["flat", "thirds", "decay"])
@pytest.mark.parametrize("pool", ["cls", "attention", "weighted_layers"])
def test_every_trained_weight_is_in_one_group_and_vectors_do_not_decay(rule, pool):
    model = model_of(3)
    if pool != "cls":
        model = PairModel(PooledClassifier(BertModel(tiny_config(num_hidden_layers=3)), pool, 2, 0.0))
    model.freeze(embeddings=True, n_layers=1)
    groups = optimizer_groups(model, pair_groups(model, settings(lr_groups=rule)))
    ids = [id(weight) for group in groups for weight in group["params"]]
    assert sorted(ids) == sorted(id(weight) for weight in model.parameters() if weight.requires_grad)
    for group in groups:
        assert {weight.ndim >= 2 for weight in group["params"]} == {group["weight_decay"] > 0}


def test_patterns_take_weights_out_of_their_groups():
    model = model_of(2)
    found = rates(model, settings(lr_patterns=["*word_embeddings*=0.1", "*.layer.1.*bias=3"]))
    plain = rates(model, settings())
    for name, rate in found.items():
        if "word_embeddings" in name:
            assert rate == pytest.approx(0.1)
        elif ".layer.1." in name and name.endswith("bias"):
            assert rate == pytest.approx(3.0)
        else:
            assert rate == plain[name]


@pytest.mark.parametrize(
    ("patterns", "said"),
    [
        (["*layer.7.*=2"], r"'\*layer.7.\*' takes no trained weight"),
        (["*bias=2", "*pooler*=3"], r"'\*pooler\*' and '\*bias' both take classifier.bert.pooler.dense.bias"),
        (["*layer.0.*=2"], "takes no trained weight"),  # frozen below
    ],
)
def test_a_pattern_that_matches_nothing_or_what_another_took_is_refused(patterns, said):
    model = model_of(2)
    model.freeze(embeddings=False, n_layers=1)
    with pytest.raises(RecipeError, match=said):
        pair_groups(model, settings(lr_patterns=patterns))


def test_the_original_rule_on_fewer_layers_than_it_names_is_refused():
    with pytest.raises(RecipeError, match="published names layers 0 to 11, this encoder has 4"):
        pair_groups(model_of(4), settings(lr_groups="published"))


@pytest.mark.parametrize("entry", ["word_embeddings", "=2", "x=", "x=-1", "x=nan", "x=inf"])
def test_an_entry_that_is_no_pattern_with_a_factor_is_refused(entry):
    with pytest.raises(RecipeError, match="expected pattern=factor with a factor above 0"):
        load_recipe("demo", [f"similarity_v0.lr_patterns=['{entry}']"])


def test_the_table_of_rates_is_logged(caplog):
    model = model_of(12)
    with caplog.at_level(logging.INFO):
        pair_groups(model, settings(head_lr_factor=10.0))
    for words in ("lower third", "upper third, no decay", "head", "0.01"):
        assert words in caplog.text


def test_the_rate_of_a_step_falls_alike_in_all_groups():
    model, chosen = model_of(2), settings(schedule="linear", warmup_frac=0.0)
    optimizer = torch.optim.SGD(optimizer_groups(model, pair_groups(model, chosen)), lr=LR)
    assert set_lr(optimizer, 5, 10, chosen) == pytest.approx(LR / 2)
    assert all(group["lr"] == pytest.approx(group["peak_lr"] / 2) for group in optimizer.param_groups)


# --- on every engine, two ranks against one process -------------------------------------------------------------------

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
def test_a_run_with_any_optimizer_goes_on_from_its_checkpoint_with_the_same_bits(key, found):
    assert largest_difference(found[key]["weights"], found[key]["resumed"]) == 0


def test_frozen_layers_stay_on_every_engine(found):
    start = {name: value.detach() for name, value in model_of(3).named_parameters()}
    for key, run in found.items():
        for name, value in start.items():
            is_same = torch.equal(run["weights"][name], value)
            assert is_same == (".layer.0." in name or "key.bias" in name), (key, name)
