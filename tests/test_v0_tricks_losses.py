"""Losses, R-Drop and mixup: against sums written out, against what they are without effect, and at their edges."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from tiny_models import random_inputs, tiny_classifier
from torch.nn import functional as F

from final_project.errors import ArtifactError
from final_project.settings import SimilarityV0
from similarity_v0.losses import PairLoss, log_probabilities, soft_targets
from similarity_v0.model import PairModel
from similarity_v0.tricks.mixup import Mixup
from similarity_v0.tricks.r_drop import disagreement, doubled, r_drop_losses

LABELS = torch.tensor([0, 1, 1, 0, 1, 0])


def logits_of(n_classes: int = 2, seed: int = 0, dtype: torch.dtype = torch.float64) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return (3 * torch.randn(len(LABELS), n_classes, generator=generator, dtype=torch.float64)).to(dtype)


def expected_loss(name: str, z: list[float], shares: list[float], gamma: float, smoothing: float) -> float:
    """One pair's loss, term by term."""
    spread = [(1 - smoothing) * y + smoothing / (2 if name == "bce" else len(z)) for y in shares]
    if name == "bce":
        p = [1 / (1 + math.exp(-value)) for value in z]
        terms = [-(y * math.log(q) + (1 - y) * math.log(1 - q)) for y, q in zip(spread, p, strict=True)]
        return sum(terms) / len(terms)
    total = sum(math.exp(value) for value in z)
    p = [math.exp(value) / total for value in z]
    power = gamma if name == "focal" else 0
    return sum(-y * (1 - q) ** power * math.log(q) for y, q in zip(spread, p, strict=True))


@pytest.mark.parametrize("smoothing", [0.0, 0.1, 0.5])
@pytest.mark.parametrize(
    ("name", "gamma", "n_classes"), [("ce", 2, 2), ("ce", 2, 3), ("focal", 2, 2), ("focal", 0.5, 3), ("bce", 2, 2)]
)
def test_a_loss_equals_the_sum_written_out(name, gamma, n_classes, smoothing):
    logits_BC = logits_of(n_classes)
    soft_BC = torch.softmax(logits_of(n_classes, seed=1), dim=1)
    loss = PairLoss(name, gamma, smoothing)
    for targets in (LABELS, soft_BC):
        shares = F.one_hot(LABELS, n_classes) if targets is LABELS else targets
        expected = [
            expected_loss(name, z, y, gamma, smoothing)
            for z, y in zip(logits_BC.tolist(), shares.tolist(), strict=True)
        ]
        assert loss(logits_BC, targets).tolist() == pytest.approx(expected, abs=1e-12)


def test_one_target_is_learnt_through_its_sigmoid():
    logits_B1 = logits_of(1)
    expected = [expected_loss("bce", z, [float(y)], 0, 0.2) for z, y in zip(logits_B1.tolist(), LABELS, strict=True)]
    assert PairLoss("bce", label_smoothing=0.2)(logits_B1, LABELS).tolist() == pytest.approx(expected, abs=1e-12)
    p_B2 = log_probabilities(logits_B1).exp()
    torch.testing.assert_close(p_B2[:, 1], torch.sigmoid(logits_B1[:, 0]))
    torch.testing.assert_close(p_B2.sum(1), torch.ones(len(LABELS), dtype=torch.float64))


def test_focal_loss_without_gamma_is_cross_entropy():
    for smoothing in (0.0, 0.3):
        plain = PairLoss("ce", label_smoothing=smoothing)(logits_of(), LABELS)
        torch.testing.assert_close(PairLoss("focal", 0.0, smoothing)(logits_of(), LABELS), plain, rtol=0, atol=1e-12)


@pytest.mark.parametrize("name", ["ce", "focal", "bce"])
def test_losses_of_16_bit_logits_are_taken_in_float32(name):
    logits_BC = logits_of(dtype=torch.bfloat16)
    found = PairLoss(name, label_smoothing=0.1)(logits_BC, LABELS)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, PairLoss(name, label_smoothing=0.1)(logits_BC.float(), LABELS))
    assert soft_targets(LABELS, logits_BC.float()).dtype == torch.float32


@pytest.mark.parametrize("gamma", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize("name", ["ce", "focal", "bce"])
def test_losses_of_certain_logits_are_finite_and_so_are_their_gradients(name, gamma):
    logits_BC = torch.tensor([[80.0, -80.0], [-80.0, 80.0]], requires_grad=True)
    losses_B = PairLoss(name, gamma)(logits_BC, torch.tensor([0, 0]))
    losses_B.sum().backward()
    assert losses_B.isfinite().all() and logits_BC.grad.isfinite().all()
    assert losses_B[0] < 1e-6 < losses_B[1]


def test_r_drop_is_the_mean_of_both_losses_and_the_symmetric_divergence_over_elements():
    p_logits, q_logits, weight = logits_of(seed=2), logits_of(seed=3), 1.7
    losses = [PairLoss()(logits, LABELS) for logits in (p_logits, q_logits)]
    found = r_drop_losses(torch.cat(losses), torch.cat([p_logits, q_logits]), weight).mean()
    p, q = p_logits.softmax(1).tolist(), q_logits.softmax(1).tolist()
    pairs = [(a, b) for one, two in zip(p, q, strict=True) for a, b in zip(one, two, strict=True)]
    forward = sum(a * (math.log(a) - math.log(b)) for a, b in pairs) / len(pairs)
    backward = sum(b * (math.log(b) - math.log(a)) for a, b in pairs) / len(pairs)
    expected = 0.5 * float(losses[0].mean() + losses[1].mean()) + weight * 0.5 * (forward + backward)
    assert float(found) == pytest.approx(expected, abs=1e-12)


def test_r_drop_of_two_answers_that_agree_is_the_loss_itself():
    losses_B = PairLoss()(logits_of(), LABELS)
    twice = r_drop_losses(losses_B.repeat(2), logits_of().repeat(2, 1), 5.0)
    torch.testing.assert_close(twice, losses_B, rtol=0, atol=1e-14)


def test_r_drop_of_one_target_compares_both_sides_of_the_sigmoid():
    one, other = logits_of(1), logits_of(1, seed=5)
    as_two = [torch.cat([torch.zeros_like(z), z], dim=1) for z in (one, other)]
    torch.testing.assert_close(disagreement(one, other), disagreement(*as_two), rtol=0, atol=1e-12)


def test_doubling_lays_all_rows_twice():
    inputs = random_inputs()
    for name, value in doubled(inputs).items():
        assert torch.equal(value, torch.cat([inputs[name], inputs[name]]))


def mixup_of(level: str, alpha: float = 1.0, n_layers: int = 3) -> tuple[PairModel, Mixup]:
    model = PairModel(tiny_classifier(num_hidden_layers=n_layers).double())
    return model, Mixup(model, level, alpha)


def test_a_blend_is_a_pure_function_of_seed_step_and_micro_batch():
    _, mixup = mixup_of("layer")
    draws = [mixup.draw(6, torch.device("cpu"), 7, step, at, 1) for step in (1, 2) for at in (0, 1) for _ in (1, 2)]
    for one, two in zip(draws[::2], draws[1::2], strict=True):
        assert one.place is two.place and one.share == two.share and torch.equal(one.partners_B, two.partners_B)
    assert len({blend.share for blend in draws}) == 4


def test_shares_follow_the_beta_distribution_and_partners_are_a_permutation():
    model, mixup = mixup_of("layer", alpha=0.4)
    draws = [mixup.draw(5, torch.device("cpu"), 1, step) for step in range(3000)]
    shares = np.array([blend.share for blend in draws])
    assert shares.mean() == pytest.approx(0.5, abs=0.03)
    assert shares.var() == pytest.approx(0.25 / 1.8, abs=0.01)
    assert all(blend.partners_B.sort().values.tolist() == list(range(5)) for blend in draws)
    firsts = np.bincount([int(blend.partners_B[0]) for blend in draws]) / len(draws)
    assert firsts == pytest.approx([0.2] * 5, abs=0.03)
    assert {blend.place for blend in draws} == set(model.layers[:-1])


@pytest.mark.parametrize("level", ["embeddings", "layer", "last", "pool"])
def test_a_blend_that_keeps_all_of_a_pair_changes_nothing(level):
    model, mixup = mixup_of(level)
    inputs = random_inputs()
    drawn = mixup.draw(len(LABELS), torch.device("cpu"), 3)
    alone = type(drawn)(drawn.place, 1.0, drawn.partners_B)
    with alone.applied():
        mixed = model(**inputs)
    assert torch.equal(mixed, model(**inputs)), "and outside of the block there is no blend"
    targets = soft_targets(LABELS, mixed)
    torch.testing.assert_close(PairLoss()(mixed, alone.of(targets)), PairLoss()(mixed, LABELS), rtol=0, atol=1e-14)


def test_a_blend_that_keeps_nothing_of_a_pair_is_its_partner():
    model, mixup = mixup_of("pool")
    inputs = random_inputs()
    drawn = mixup.draw(len(LABELS), torch.device("cpu"), 3)
    other = type(drawn)(drawn.place, 0.0, drawn.partners_B)
    with other.applied():
        mixed = model(**inputs)
    torch.testing.assert_close(mixed, model(**inputs)[drawn.partners_B], rtol=0, atol=1e-14)


def test_a_micro_batch_of_one_pair_is_blended_with_itself():
    model, mixup = mixup_of("embeddings")
    inputs = {name: value[:1] for name, value in random_inputs().items()}
    with mixup.draw(1, torch.device("cpu"), 3).applied():
        mixed = model(**inputs)
    torch.testing.assert_close(mixed, model(**inputs), rtol=0, atol=1e-14)


def test_an_encoder_of_one_layer_has_no_inner_layer_to_blend_after():
    with pytest.raises(ArtifactError, match="none below its last"):
        mixup_of("layer", n_layers=1)


@pytest.mark.parametrize(
    ("recipe", "said"),
    [
        ({"fgm_eps": -1.0}, "fgm_eps"),
        ({"pgd_eps": -0.1}, "pgd_eps"),
        ({"pgd_eps": 1.0, "pgd_steps": 0}, "pgd_steps"),
        ({"pgd_alpha": 0.0}, "pgd_alpha"),
        ({"freelb_eps": 1.0, "freelb_steps": 1}, "freelb_steps"),
        ({"awp_gamma": -0.1}, "awp_gamma"),
        ({"ema_decay": 1.0}, "ema_decay"),
        ({"swa_start": 1.5}, "swa_start"),
        ({"label_smoothing": 1.0}, "label_smoothing"),
        ({"mixup_alpha": 0.0}, "mixup_alpha"),
        ({"mixup": "everywhere"}, "mixup"),
        ({"r_drop": float("nan")}, "r_drop"),
        ({"fgm_eps": 1.0, "pgd_eps": 1.0}, "fgm_eps: 1 and pgd_eps: 1: only one attack at a time"),
        ({"freelb_eps": 1.0, "awp_gamma": 0.01}, "freelb_eps: 1 and awp_gamma: 0.01: only one attack at a time"),
        ({"ema_decay": 0.9, "swa_start": 0.5}, "only one average at a time"),
        ({"n_outputs": 1}, "loss: ce needs n_outputs: 2; with n_outputs: 1 use loss: bce"),
    ],
)
def test_settings_that_mean_nothing_are_refused(recipe, said):
    with pytest.raises(ValueError, match=said):
        SimilarityV0(**recipe)
