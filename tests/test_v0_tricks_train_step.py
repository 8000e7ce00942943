"""The training step as a whole: every trick over many updates against slow training, and what must not matter."""

from __future__ import annotations

import math

import pytest
import torch
from reference import SlowTraining
from tiny_models import random_inputs, tiny_classifier

from final_project.parallel.world import World
from final_project.settings import SimilarityV0
from final_project.training.batching import derive_seed
from final_project.training.engines import build_engine
from final_project.training.engines.engine import Engine
from similarity_v0.batches import PairBatch
from similarity_v0.model import PairModel
from similarity_v0.train_step import Step, train_step
from similarity_v0.tricks.chosen import Tricks, build_tricks

pytestmark = pytest.mark.stage

SEED, N_UPDATES = 7, 10
SHARED = {"lr": 1e-3, "weight_decay": 0.01, "max_grad_norm": 0.5}
PGD = {"pgd_eps": 1.0, "pgd_alpha": 0.6, "pgd_steps": 3}
FREELB = {"freelb_eps": 0.25, "freelb_alpha": 0.1, "freelb_steps": 4}
RECIPES = {
    "plain": {},
    "fgm": {"fgm_eps": 1.0},
    "fgm_accumulated": {"fgm_eps": 1.0, "fgm_direction": "accumulated"},
    "pgd": PGD,
    "freelb": FREELB,
    "awp": {"awp_gamma": 0.01},
    "r_drop": {"r_drop": 2.0},
    "smoothing": {"label_smoothing": 0.2},
    "focal": {"loss": "focal", "focal_gamma": 1.5},
    "bce": {"loss": "bce", "label_smoothing": 0.1},
    "mixup_embeddings": {"mixup": "embeddings"},
    "mixup_layer": {"mixup": "layer", "mixup_alpha": 0.4},
    "mixup_last": {"mixup": "last"},
    "mixup_pool": {"mixup": "pool"},
    "many": {**PGD, "r_drop": 1.0, "mixup": "layer", "label_smoothing": 0.1, "loss": "focal", "focal_gamma": 2.0},
    "accumulated_mixup": {"fgm_eps": 0.5, "fgm_direction": "accumulated", "mixup": "embeddings"},
    "awp_r_drop": {"awp_gamma": 0.02, "r_drop": 0.5},
}


def double_model(**changes) -> PairModel:
    return PairModel(tiny_classifier(num_hidden_layers=3, **changes).double())


def ready(model: PairModel, n_updates: int = N_UPDATES, **changes) -> tuple[Engine, Tricks]:
    settings = SimilarityV0(**{**SHARED, "precision": "fp32", **changes})
    engine = build_engine("torch", model, settings, "fp32", World())
    return engine, build_tricks(settings, model, engine, n_updates)


def batches_of_step(number: int, n_micro: int = 2, n_rows: int = 6) -> list[PairBatch]:
    inputs = random_inputs(n_rows, seed=number)
    labels = torch.randint(0, 2, (n_rows,), generator=torch.Generator().manual_seed(number))
    weights = torch.rand(n_rows, generator=torch.Generator().manual_seed(number + 1), dtype=torch.float64) * 2
    return [
        PairBatch({name: value[rows] for name, value in inputs.items()}, labels[rows], weights[rows], True, at)
        for at, rows in enumerate(torch.arange(n_rows).chunk(n_micro))
    ]


def train(engine: Engine, tricks: Tricks, numbers: range, **batching) -> list[dict]:
    figures = []
    for number in numbers:
        batches = batches_of_step(number, **batching)
        n_pairs = sum(len(batch.labels_B) for batch in batches)
        figures.append(train_step(engine, Step(batches, n_pairs, SEED, number), SHARED["max_grad_norm"], tricks))
    return figures


def weights_of(engine: Engine) -> dict[str, torch.Tensor]:
    return {name.removeprefix("classifier."): weight for name, weight in engine.full_weights().items()}


def blends_of(model: PairModel, tricks: Tricks, batches: list[PairBatch], number: int) -> dict | None:
    """Where, how much and with whom each micro-batch is blended, as the reference wants it."""
    if tricks.mixup is None:
        return None
    places = {model.embeddings: -1, model.pool: None} | {layer: at for at, layer in enumerate(model.layers)}
    found = {}
    for batch in batches:
        blend = tricks.mixup.draw(len(batch.labels_B), torch.device("cpu"), SEED, number, batch.index, 1)
        found[batch.index] = (places[blend.place], blend.share, blend.partners_B)
    return found


@pytest.mark.parametrize("name", RECIPES)
def test_ten_updates_equal_slow_training(name):
    recipe = RECIPES[name]
    model = double_model(hidden_dropout_prob=0.1, attention_probs_dropout_prob=0.1).train()
    slow = SlowTraining(model.classifier, **SHARED, **recipe)
    engine, tricks = ready(model, **recipe, ema_decay=0.7)
    for number in range(1, N_UPDATES + 1):
        batches = batches_of_step(number)
        train(engine, tricks, range(number, number + 1))
        slow.step(
            [(batch.inputs, batch.labels_B, batch.weights_B, batch.index) for batch in batches],
            lambda index, which, number=number: torch.manual_seed(derive_seed(SEED, number, index, which)),
            blends_of(model, tricks, batches, number),
        )
        found, bound = weights_of(engine), 1e-10 if number == 1 else 1e-8
        for weight, value in slow.history[-1].items():
            torch.testing.assert_close(found[weight], value, rtol=0, atol=bound, msg=f"{weight} after {number}")
    shares = [0.7**N_UPDATES, *(0.3 * 0.7 ** (N_UPDATES - k) for k in range(1, N_UPDATES + 1))]
    with tricks.average.applied():
        averaged = weights_of(engine)
    for weight in slow.weights:
        expected = sum(share * past[weight] for share, past in zip(shares, slow.history, strict=True))
        torch.testing.assert_close(averaged[weight], expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize("n_micro", [2, 3, 6])
@pytest.mark.parametrize("recipe", [{}, FREELB, {"awp_gamma": 0.01}, {"label_smoothing": 0.1, "loss": "focal"}])
def test_accumulation_changes_nothing_where_a_trick_looks_at_single_pairs_or_the_whole_step(recipe, n_micro):
    """Attacks that point along the gradient of a micro-batch are left out: there, the micro-batch matters."""
    ends = []
    for count in (1, n_micro):
        engine, tricks = ready(double_model(), **recipe)
        figures = train(engine, tricks, range(1, 3), n_micro=count)
        ends.append((figures, weights_of(engine)))
    (figures, whole), (others, cut) = ends
    for one, other in zip(figures, others, strict=True):
        assert other == pytest.approx(one, abs=1e-10)
    for name in whole:
        torch.testing.assert_close(cut[name], whole[name], rtol=0, atol=1e-10)


def test_the_bias_of_attention_keys_has_no_say_and_is_left_out_of_training():
    inputs, model = random_inputs(), double_model()
    before = model(**inputs)
    for name, weight in model.named_parameters():
        if name.endswith("key.bias"):
            weight.data.normal_()
    torch.testing.assert_close(model(**inputs), before, rtol=0, atol=1e-12)
    engine, _ = ready(model)
    left_out = [name for name, weight in engine.model.named_parameters() if not weight.requires_grad]
    assert len(left_out) == 3 and all(name.endswith("attention.self.key.bias") for name in left_out)


@pytest.mark.parametrize("name", RECIPES)
def test_a_filler_micro_batch_changes_nothing(name):
    ends = []
    for n_stand_ins in (0, 2):
        engine, tricks = ready(double_model(), **RECIPES[name])
        real = batches_of_step(1)
        nothing_B = torch.zeros_like(real[0].weights_B)
        stand_ins = [PairBatch(real[0].inputs, real[0].labels_B, nothing_B, False, at + 2) for at in range(n_stand_ins)]
        figures = train_step(engine, Step([*real, *stand_ins], 6, SEED, 1), 0.5, tricks)
        ends.append((figures, weights_of(engine)))
    assert ends[0][0] == ends[1][0]
    assert all(torch.equal(ends[0][1][weight], ends[1][1][weight]) for weight in ends[0][1])


@pytest.mark.parametrize("name", ["many", "freelb", "awp"])
def test_what_is_random_depends_on_the_step_and_the_micro_batch_alone(name):
    def weights_after(step: int, noise: int) -> torch.Tensor:
        model = double_model(hidden_dropout_prob=0.3).train()
        torch.manual_seed(noise)
        engine, tricks = ready(model, **RECIPES[name])
        train_step(engine, Step(batches_of_step(1), 6, SEED, step), 0.5, tricks)
        return model.word_embedding.weight.detach().clone()

    assert torch.equal(weights_after(3, noise=1), weights_after(3, noise=2))
    assert not torch.equal(weights_after(3, noise=1), weights_after(4, noise=1))


@pytest.mark.parametrize("name", RECIPES)
def test_a_step_leaves_no_gradient_no_hook_and_no_moved_weight(name):
    model = double_model()
    hooks = sum(len(module._forward_hooks) for module in model.modules())
    engine, tricks = ready(model, **RECIPES[name], lr=1e-12, weight_decay=0.0)
    before = weights_of(engine)
    train(engine, tricks, range(1, 2))
    assert all(weight.grad is None for weight in model.parameters())
    assert sum(len(module._forward_hooks) for module in model.modules()) == hooks
    for weight, value in weights_of(engine).items():  # an update of a rate of nothing moves nothing
        torch.testing.assert_close(value, before[weight], rtol=0, atol=1e-11)


@pytest.mark.parametrize("name", RECIPES)
def test_logits_that_are_not_finite_update_nothing_and_the_next_step_continues(name):
    model = double_model()
    engine, tricks = ready(model, **RECIPES[name], ema_decay=0.5)
    handle = model.classifier.classifier.register_forward_hook(lambda module, inputs, output: output * float("nan"))
    before = weights_of(engine)
    (bad,) = train(engine, tricks, range(1, 2))
    handle.remove()
    assert not math.isfinite(bad["grad_norm"]) and not math.isfinite(bad["loss"])
    with tricks.average.applied():
        assert all(torch.equal(value, before[weight]) for weight, value in weights_of(engine).items())
    assert all(torch.equal(value, before[weight]) for weight, value in weights_of(engine).items())
    fresh, fresh_tricks = ready(double_model(), **RECIPES[name], ema_decay=0.5)
    assert train(engine, tricks, range(2, 3)) == train(fresh, fresh_tricks, range(2, 3))
    assert all(torch.equal(value, weights_of(fresh)[weight]) for weight, value in weights_of(engine).items())


def test_tricks_without_effect_are_the_plain_step():
    """R-Drop without dropout, smoothing by nothing, focal without gamma, EMA that forgets everything."""
    engine, tricks = ready(double_model())
    plain = train(engine, tricks, range(1, 4))
    for recipe in ({"r_drop": 3.0}, {"label_smoothing": 0.0, "ema_decay": 1e-300}, {"loss": "focal", "focal_gamma": 0}):
        other, chosen = ready(double_model(), **recipe)
        for one, found in zip(plain, train(other, chosen, range(1, 4)), strict=True):
            assert found == pytest.approx(one, abs=1e-10)
        with chosen.average.applied() if chosen.average else torch.no_grad():
            for weight, value in weights_of(other).items():
                torch.testing.assert_close(value, weights_of(engine)[weight], rtol=0, atol=1e-10)


def test_activation_checkpointing_changes_nothing():
    for name in ("many", "freelb", "awp"):
        ends = []
        for checkpointing in (False, True):
            model = double_model(hidden_dropout_prob=0.1).train()
            engine, tricks = ready(model, **RECIPES[name], activation_checkpointing=checkpointing)
            train(engine, tricks, range(1, 3))
            ends.append(weights_of(engine))
        for weight in ends[0]:
            torch.testing.assert_close(ends[1][weight], ends[0][weight], rtol=0, atol=1e-10)


def test_the_work_of_a_step_is_counted_by_its_passes():
    counted = {name: ready(double_model(), **recipe)[1].n_passes for name, recipe in RECIPES.items()}
    assert counted["plain"] == counted["focal"] == 1
    assert counted["fgm"] == counted["awp"] == counted["r_drop"] == counted["mixup_pool"] == 2
    assert counted["freelb"] == 4
    assert counted["pgd"] == pytest.approx(1 + 2 * 2 / 3 + 1)
    assert counted["many"] == pytest.approx(2 * counted["pgd"] + 1)
