"""Every trick against a slow reference in float64, an invariance, and an edge."""

from __future__ import annotations

import pytest
import torch
from reference import fgm_gradients
from tiny_models import PAD, random_inputs, tiny_classifier
from torch.nn import functional as F

from final_project.settings import SimilarityV0
from final_project.training.engines import build_engine
from final_project.training.world import World
from similarity_v0.batches import PairBatch
from similarity_v0.model import PairModel
from similarity_v0.train_step import train_step
from similarity_v0.tricks.ema import Ema
from similarity_v0.tricks.fgm import Fgm

LABELS = torch.tensor([0, 1, 1, 0, 1, 0])


def double_model() -> PairModel:
    return PairModel(tiny_classifier().double())


def gradients_with(attack: Fgm | None, model: PairModel, inputs: dict) -> dict[str, torch.Tensor]:
    """Gradients after a clean and, where there is an attack, an adversarial backward."""
    if attack is None:
        F.cross_entropy(model(**inputs), LABELS).backward()
    else:
        attack.begin_step()
        with attack.watching():
            F.cross_entropy(model(**inputs), LABELS).backward()
        with attack.applied():
            F.cross_entropy(model(**inputs), LABELS).backward()
    return {
        name.removeprefix(
            "classifier.",
        ): w.grad
        for name, w in model.named_parameters()
        if w.grad is not None
    }


@pytest.mark.parametrize("eps", [0.1, 1.0, 5.0])
def test_fgm_equals_editing_the_embedding_weight(eps):
    model, inputs = double_model(), random_inputs()
    expected = fgm_gradients(model.classifier, inputs, LABELS, eps, PAD)
    found = gradients_with(Fgm(model.word_embedding, eps), model, inputs)
    assert found.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=1e-10)


def test_fgm_leaves_no_trace_on_the_weights_or_the_module():
    model, inputs = double_model(), random_inputs()
    before = {name: weight.clone() for name, weight in model.state_dict().items()}
    gradients_with(Fgm(model.word_embedding, 1.0), model, inputs)
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())
    assert not model.word_embedding._forward_hooks


def test_fgm_perturbation_has_the_norm_of_eps_over_the_rows_of_the_vocabulary():
    model, inputs = double_model(), random_inputs()
    attack = Fgm(model.word_embedding, 0.7)
    with attack.watching():
        F.cross_entropy(model(**inputs), LABELS).backward()
    r_BTH = attack.perturbation()
    rows = {int(token): r for token, r in zip(inputs["input_ids"].flatten(), r_BTH.flatten(0, 1), strict=True)}
    assert torch.stack([r for r in rows.values()]).norm() == pytest.approx(0.7, abs=1e-12)
    assert rows[PAD].abs().sum() == 0


def test_accumulated_fgm_points_along_all_gradients_of_the_step_so_far():
    model, first, second = double_model(), random_inputs(seed=1), random_inputs(seed=2)
    attack = Fgm(model.word_embedding, 1.0, "accumulated")
    attack.begin_step()
    for inputs in (first, second):
        with attack.watching():
            F.cross_entropy(model(**inputs), LABELS).backward()
        if inputs is first:
            with attack.applied():
                F.cross_entropy(model(**inputs), LABELS).backward()
    G = model.word_embedding.weight.grad.clone()
    G[PAD] = 0
    torch.testing.assert_close(attack.perturbation(), (G / G.norm())[second["input_ids"]], rtol=0, atol=1e-12)
    attack.begin_step()
    with attack.watching():
        F.cross_entropy(model(**first), LABELS).backward()
    fresh = Fgm(model.word_embedding, 1.0)
    with fresh.watching():
        F.cross_entropy(model(**first), LABELS).backward()
    torch.testing.assert_close(attack.perturbation(), fresh.perturbation(), rtol=0, atol=1e-12)


def test_fgm_does_nothing_where_the_gradient_vanishes():
    model, inputs = double_model(), random_inputs()
    attack = Fgm(model.word_embedding, 1.0)
    with attack.watching():
        (F.cross_entropy(model(**inputs), LABELS) * 0.0).backward()
    assert attack.perturbation().abs().sum() == 0


def test_fgm_refuses_a_radius_that_is_not_positive():
    with pytest.raises(ValueError, match="eps must be positive"):
        Fgm(double_model().word_embedding, 0.0)


def engine_of(model: torch.nn.Module):
    return build_engine("torch", model, SimilarityV0(), "fp32", World())


def test_ema_is_the_weighted_sum_of_all_weights_so_far():
    model = torch.nn.Linear(1, 1, bias=False).double()
    values, decay = [1.0, 2.0, -3.0, 5.0], 0.9
    model.weight.data.fill_(values[0])
    ema = Ema(engine_of(model), decay)
    for value in values[1:]:
        model.weight.data.fill_(value)
        ema.update()
    expected = decay**3 * 1.0 + 0.1 * (decay**2 * 2.0 + decay * -3.0 + 5.0)
    with ema.applied():
        assert model.weight.item() == pytest.approx(expected, abs=1e-12)
    assert model.weight.item() == 5.0


def test_ema_without_decay_is_the_weights_themselves():
    model = torch.nn.Linear(3, 3)
    ema = Ema(engine_of(model), 0.0)
    model.weight.data.normal_()
    ema.update()
    own = model.weight.clone()
    with ema.applied():
        assert torch.equal(model.weight, own)


def test_ema_goes_on_from_its_state_and_leaves_the_weights_alone():
    model, decay = torch.nn.Linear(3, 3), 0.5
    first = Ema(engine_of(model), decay)
    model.weight.data.normal_()
    first.update()
    own = model.weight.clone()
    second = Ema(engine_of(model), decay)
    second.restore(first.state())
    assert torch.equal(model.weight, own)
    for name, averaged in first.state().items():
        assert torch.equal(second.state()[name], averaged)


def test_ema_gives_the_weights_back_after_an_error():
    model = torch.nn.Linear(2, 2)
    ema = Ema(engine_of(model), 0.5)
    model.weight.data.normal_()
    ema.update()
    own = model.weight.clone()
    with pytest.raises(RuntimeError), ema.applied():
        raise RuntimeError
    assert torch.equal(model.weight, own)


@pytest.mark.parametrize("n_micro", [1, 2, 3])
def test_a_step_over_micro_batches_equals_one_step_over_all_pairs(n_micro):
    """Accumulation changes nothing: the weights after a step are those of plain AdamW on the mean loss."""
    inputs = random_inputs()
    settings = SimilarityV0(lr=1e-3, weight_decay=0.0, precision="fp32")
    model = double_model()
    plain = tiny_classifier().double()
    engine = build_engine("torch", model, settings, "fp32", World())
    batches = [
        PairBatch({name: value[rows] for name, value in inputs.items()}, LABELS[rows], 1.0, at)
        for at, rows in enumerate(torch.arange(6).chunk(n_micro))
    ]
    figures = train_step(engine, batches, 6, seed=1, step=1, max_grad_norm=0.5)
    optimizer = torch.optim.AdamW(plain.parameters(), lr=1e-3, weight_decay=0.0, eps=1e-6)
    loss = F.cross_entropy(plain(**inputs).logits, LABELS)
    loss.backward()
    norm = torch.nn.utils.clip_grad_norm_(plain.parameters(), 0.5)
    optimizer.step()
    assert figures["loss"] == pytest.approx(loss.item(), abs=1e-12)
    assert figures["grad_norm"] == pytest.approx(float(norm), abs=1e-10)
    for name, weight in plain.state_dict().items():
        if not name.endswith("key.bias"):  # has no say in the answer: see the next test
            torch.testing.assert_close(model.state_dict()[f"classifier.{name}"], weight, rtol=0, atol=1e-10)


def test_the_bias_of_attention_keys_has_no_say_and_is_left_out_of_training():
    inputs, model = random_inputs(), double_model()
    before = model(**inputs)
    for name, weight in model.named_parameters():
        if name.endswith("key.bias"):
            weight.data.normal_()
    torch.testing.assert_close(model(**inputs), before, rtol=0, atol=1e-12)
    engine = build_engine("torch", model, SimilarityV0(), "fp32", World())
    left_out = [name for name, weight in engine.model.named_parameters() if not weight.requires_grad]
    assert len(left_out) == 2 and all(name.endswith("attention.self.key.bias") for name in left_out)


def test_a_stand_in_micro_batch_changes_nothing():
    inputs = random_inputs()
    settings = SimilarityV0(precision="fp32")
    results = []
    for stand_ins in (0, 2):
        model = double_model()
        engine = build_engine("torch", model, settings, "fp32", World())
        batches = [PairBatch(inputs, LABELS, 1.0, 0)] + [PairBatch(inputs, LABELS, 0.0, 1)] * stand_ins
        train_step(engine, batches, 6, seed=1, step=1, max_grad_norm=1.0, attack=Fgm(model.word_embedding, 1.0))
        results.append(model.state_dict())
    assert all(torch.equal(results[0][name], results[1][name]) for name in results[0])


def test_dropout_depends_on_the_step_and_the_micro_batch_alone():
    inputs = random_inputs()
    settings = SimilarityV0(precision="fp32")

    def weights_after(step: int, noise: int) -> torch.Tensor:
        model = PairModel(tiny_classifier(hidden_dropout_prob=0.3).train())
        torch.manual_seed(noise)
        engine = build_engine("torch", model, settings, "fp32", World())
        train_step(engine, [PairBatch(inputs, LABELS, 1.0, 0)], 6, seed=1, step=step, max_grad_norm=1.0)
        return model.word_embedding.weight.detach().clone()

    assert torch.equal(weights_after(3, noise=1), weights_after(3, noise=2))
    assert not torch.equal(weights_after(3, noise=1), weights_after(4, noise=1))
