"""Attacks on embeddings and weights: against slow float64 references, invariances, edges, and no trace left."""

from __future__ import annotations

import itertools

import pytest
import torch
from reference import fgm_gradients
from tiny_models import PAD, random_inputs, tiny_classifier
from torch.nn import functional as F

from final_project.parallel.world import World
from final_project.settings import SimilarityV0
from final_project.training.engines import build_engine
from similarity_v0.model import PairModel
from similarity_v0.tricks.attack import EmbeddingAttack
from similarity_v0.tricks.awp import Awp
from similarity_v0.tricks.fgm import Fgm
from similarity_v0.tricks.freelb import FreeLb
from similarity_v0.tricks.pgd import Pgd, project_to_ball

LABELS = torch.tensor([0, 1, 1, 0, 1, 0])


def double_model() -> PairModel:
    return PairModel(tiny_classifier().double())


def gradients_with(attack: EmbeddingAttack, model: PairModel, inputs: dict) -> dict[str, torch.Tensor]:
    """Gradients after a clean backward and the attack's first adversarial one."""
    attack.begin_step()
    with attack.watching():
        F.cross_entropy(model(**inputs), LABELS).backward()
    with attack.applied():
        F.cross_entropy(model(**inputs), LABELS).backward()
    named = model.classifier.named_parameters()
    return {name: weight.grad for name, weight in named if weight.grad is not None}


@pytest.mark.parametrize("eps", [0.1, 1.0, 5.0])
def test_fgm_equals_editing_the_embedding_weight(eps):
    model, inputs = double_model(), random_inputs()
    expected = fgm_gradients(model.classifier, inputs, LABELS, eps, PAD)
    found = gradients_with(Fgm(model.word_embedding, eps), model, inputs)
    assert found.keys() == expected.keys()
    for name in expected:
        torch.testing.assert_close(found[name], expected[name], rtol=0, atol=1e-10)


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


ATTACKS = {
    "fgm": lambda embedding, length: Fgm(embedding, length),
    "accumulated": lambda embedding, length: Fgm(embedding, length, "accumulated"),
    "pgd": lambda embedding, length: Pgd(embedding, length, length / 3, 4),
    "freelb": lambda embedding, length: FreeLb(embedding, length, length / 3, 4),
}


def climb(attack: EmbeddingAttack, model: PairModel, inputs: dict) -> tuple[list[float], list[torch.Tensor]]:
    """The losses of all passes, the clean one first, and by what each adversarial one was moved, (B, T, H)."""
    losses, moves = [], []

    def loss_of() -> torch.Tensor:
        loss = F.cross_entropy(model(**inputs), LABELS)
        losses.append(loss.item())
        return loss

    def note(module, arguments, output_BTH) -> None:
        moves.append((output_BTH - module.weight[arguments[0]]).detach())

    attack.begin_step()
    with attack.watching():
        loss_of().backward()
    for _ in attack.passes:
        with attack.applied():
            handle = model.word_embedding.register_forward_hook(note)
            torch.autograd.grad(loss_of(), attack.output_BTH)
            handle.remove()
    return losses, moves


def by_token(move_BTH: torch.Tensor, inputs: dict) -> dict[int, torch.Tensor]:
    """What each token of the vocabulary was moved by; it must be the same wherever it stands."""
    found = {}
    for token, move in zip(inputs["input_ids"].flatten().tolist(), move_BTH.flatten(0, 1), strict=True):
        torch.testing.assert_close(found.setdefault(token, move), move, rtol=0, atol=1e-12)
    return found


@pytest.mark.parametrize("name", ATTACKS)
def test_every_step_of_an_attack_raises_the_loss_and_leaves_nothing_behind(name):
    model, inputs = double_model(), random_inputs()
    before = {key: weight.clone() for key, weight in model.state_dict().items()}
    F.cross_entropy(model(**inputs), LABELS).backward()
    clean = {key: weight.grad.clone() for key, weight in model.named_parameters()}
    model.zero_grad()
    attack = ATTACKS[name](model.word_embedding, 0.1)
    losses, _ = climb(attack, model, inputs)
    assert losses == sorted(losses) and losses[0] < losses[-1]
    # the adversarial passes here only pointed the way, so the clean pass alone has left gradients
    assert all(torch.equal(clean[key], weight.grad) for key, weight in model.named_parameters())
    assert all(torch.equal(before[key], weight) for key, weight in model.state_dict().items())
    assert not model.word_embedding._forward_hooks and attack.output_BTH is None


@pytest.mark.parametrize("name", ATTACKS)
def test_padding_is_never_moved(name):
    model, inputs = double_model(), random_inputs()
    for move_BTH in climb(ATTACKS[name](model.word_embedding, 0.5), model, inputs)[1]:
        assert move_BTH.abs().sum() > 0
        assert move_BTH[inputs["attention_mask"] == 0].abs().sum() == 0


@pytest.mark.parametrize(("eps", "alpha"), [(1.0, 0.3), (0.5, 0.3), (0.1, 5.0)])
def test_pgd_stays_inside_the_ball_over_the_rows_of_the_vocabulary(eps, alpha):
    model, inputs = double_model(), random_inputs()
    _, moves = climb(Pgd(model.word_embedding, eps, alpha, 5), model, inputs)
    lengths = [torch.stack(list(by_token(move_BTH, inputs).values())).norm().item() for move_BTH in moves]
    assert lengths[0] == pytest.approx(min(eps, alpha), abs=1e-12)
    assert max(lengths) <= eps + 1e-12
    assert max(lengths) == pytest.approx(eps, abs=1e-12) or eps == 1.0, "the two smaller balls are reached"


def test_pgd_of_one_step_inside_the_ball_is_fgm():
    model, inputs = double_model(), random_inputs()
    expected = gradients_with(Fgm(model.word_embedding, 0.3), model, inputs)
    other = double_model()
    found = gradients_with(Pgd(other.word_embedding, 1.0, 0.3, 1), other, inputs)
    assert all(torch.equal(found[name], expected[name]) for name in expected)


def test_freelb_moves_each_pair_inside_a_ball_of_its_own():
    model, inputs = double_model(), random_inputs()
    _, moves = climb(FreeLb(model.word_embedding, 0.25, 0.2, 5), model, inputs)
    lengths_KB = torch.stack([move_BTH.norm(dim=(1, 2)) for move_BTH in moves])
    assert lengths_KB[0].tolist() == pytest.approx([0.2] * len(LABELS), abs=1e-12)
    assert lengths_KB.max().item() == pytest.approx(0.25, abs=1e-12)
    steps_KB = torch.stack([(b - a).norm(dim=(1, 2)) for a, b in itertools.pairwise(moves)])
    assert steps_KB.max() <= 0.2 + 1e-12


def test_freelb_attacks_a_pair_alike_in_any_company():
    model, inputs = double_model(), random_inputs()
    _, together = climb(FreeLb(model.word_embedding, 0.5, 0.2, 3), model, inputs)
    attack = FreeLb(model.word_embedding, 0.5, 0.2, 3)
    alone = {name: value[2:3] for name, value in inputs.items()}
    with attack.watching():
        F.cross_entropy(model(**alone), LABELS[2:3]).backward()
    torch.testing.assert_close(attack.perturbation(), together[0][2:3], rtol=0, atol=1e-12)


@pytest.mark.parametrize("scale", [0.0, float("nan"), float("inf")])
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_does_nothing_where_the_gradient_vanishes_or_is_not_finite(name, scale):
    model, inputs = double_model(), random_inputs()
    attack = ATTACKS[name](model.word_embedding, 1.0)
    with attack.watching():
        (F.cross_entropy(model(**inputs), LABELS) * scale).backward()
    assert attack.perturbation().abs().sum() == 0


@pytest.mark.parametrize("name", ATTACKS)
def test_frozen_embeddings_are_attacked_all_the_same(name):
    model, frozen, inputs = double_model(), double_model(), random_inputs()
    frozen.embeddings.requires_grad_(False)
    expected = gradients_with(ATTACKS[name](model.word_embedding, 0.5), model, inputs)
    found = gradients_with(ATTACKS[name](frozen.word_embedding, 0.5), frozen, inputs)
    assert "bert.embeddings.word_embeddings.weight" not in found
    assert found and all(torch.equal(found[key], expected[key]) for key in found)


@pytest.mark.parametrize("name", ATTACKS)
@pytest.mark.parametrize("length", [0.0, -1.0])
def test_an_attack_refuses_a_radius_that_is_not_positive(name, length):
    with pytest.raises(ValueError, match="eps must be positive"):
        ATTACKS[name](double_model().word_embedding, length)


def test_attacks_refuse_steps_that_lead_nowhere():
    embedding = double_model().word_embedding
    for make, steps in ((Pgd, 0), (FreeLb, 1)):
        with pytest.raises(ValueError, match="n_steps must be"):
            make(embedding, 1.0, 0.3, steps)
        with pytest.raises(ValueError, match="alpha must be positive"):
            make(embedding, 1.0, 0.0, 3)


def test_the_projection_moves_only_what_lies_outside():
    r = torch.tensor([[3.0, 4.0]], dtype=torch.float64)
    assert torch.equal(project_to_ball(r, 5.0), r) and torch.equal(project_to_ball(r, 9.0), r)
    torch.testing.assert_close(project_to_ball(r, 1.0), r / 5)
    assert torch.equal(project_to_ball(0 * r, 1.0), 0 * r)


@pytest.mark.parametrize("gamma", [0.01, 1e-9])
def test_awp_moves_every_matrix_by_a_share_of_its_norm_and_puts_it_back_exactly(gamma):
    model = double_model()
    engine = build_engine("torch", model, SimilarityV0(), "fp32", World())
    engine.backward(F.cross_entropy(engine(**random_inputs()), LABELS))
    gradients = {name: weight.grad.clone() for name, weight in engine.trained().items()}
    taken = engine.take_gradients()
    assert all(torch.equal(taken[name], gradient) for name, gradient in gradients.items())
    assert all(weight.grad is None for weight in model.parameters())
    before = {name: weight.clone() for name, weight in engine.parts().items()}
    with pytest.raises(RuntimeError, match="inside"), Awp(engine, gamma).applied(taken):
        for name, weight in engine.parts().items():
            moved_by = weight - before[name]
            if weight.ndim < 2:
                assert torch.equal(weight, before[name])
            elif gamma > 1e-6:
                assert float(moved_by.norm()) == pytest.approx(gamma * float(before[name].norm()), rel=1e-9)
                cosine = float((moved_by * gradients[name]).sum() / moved_by.norm() / gradients[name].norm())
                assert cosine == pytest.approx(1.0, abs=1e-9)
        raise RuntimeError("inside")
    assert all(torch.equal(before[name], weight) for name, weight in engine.parts().items())


def test_awp_stays_where_it_is_where_the_gradient_is_not_finite():
    engine = build_engine("torch", double_model(), SimilarityV0(), "fp32", World())
    before = {name: weight.clone() for name, weight in engine.parts().items()}
    for value in (0.0, float("nan"), float("inf")):
        with Awp(engine, 0.1).applied({name: torch.full_like(part, value) for name, part in before.items()}):
            assert all(torch.equal(before[name], weight) for name, weight in engine.parts().items())


def test_awp_refuses_a_share_that_is_not_positive():
    with pytest.raises(ValueError, match="gamma must be positive"):
        Awp(build_engine("torch", double_model(), SimilarityV0(), "fp32", World()), 0.0)
