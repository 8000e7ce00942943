"""Losses of scores: golden values, masks, weights, and mcrmse over a whole step however it is cut."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from targets_support import golden_essays

from final_project.model.score_loss import ScoreLoss, StepSums

NAN = torch.nan


def golden_case():
    golden = golden_essays("losses.json")
    predicted = torch.tensor(golden["predictions"], dtype=torch.float64, requires_grad=True)
    given = torch.tensor(golden["targets"], dtype=torch.float64)
    masked = torch.where(torch.tensor(golden["known"]) > 0, given, NAN)
    return golden["expected"], predicted, given, masked


def of_whole(loss: ScoreLoss, predicted, given) -> ScoreLoss:
    squares_C, known_C = loss.sums(predicted.detach(), given)
    return loss.of_step(lambda: StepSums(squares_C.tolist(), known_C.tolist(), len(predicted)))


@pytest.mark.parametrize(
    ("key", "loss"),
    [
        ("smooth_l1_beta_1.0", ScoreLoss("smooth_l1", 1.0)),
        ("smooth_l1_beta_0.5", ScoreLoss("smooth_l1", 0.5)),
        ("smooth_l1_beta_0.1", ScoreLoss("smooth_l1", 0.1)),
        ("mse", ScoreLoss("mse")),
        ("l1", ScoreLoss("l1")),
        ("l1", ScoreLoss("smooth_l1", 0.0)),
    ],
)
def test_rows_and_gradients_are_the_golden_ones(key, loss):
    expected, predicted, given, masked = golden_case()
    rows_B = loss(predicted, given)
    (gradient,) = torch.autograd.grad(rows_B.mean(), predicted)
    np.testing.assert_allclose(rows_B.detach(), expected[key]["rows"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(gradient, expected[key]["gradient_of_mean"], rtol=0, atol=1e-10)
    assert float(rows_B.detach().mean()) == pytest.approx(expected[key]["mean"], abs=1e-10)
    if "masked_rows" in expected[key]:
        np.testing.assert_allclose(loss(predicted, masked).detach(), expected[key]["masked_rows"], rtol=0, atol=1e-10)
    np.testing.assert_allclose(
        loss(predicted.float(), given.float()).detach(), expected[key]["rows"], rtol=1e-5, atol=1e-7
    )


def test_a_l1_loss_is_not_called_a_root_mean_square():
    """What is published elsewhere as RMSELoss is an absolute error; mcrmse is not."""
    expected, predicted, given, _ = golden_case()
    wrong = expected["seed_RMSELoss"]
    assert wrong["mean"] == pytest.approx(float(ScoreLoss("l1")(predicted, given).mean().detach()), abs=1e-4)
    assert abs(ScoreLoss("mcrmse").of_set(predicted.detach().numpy(), given.numpy()) - wrong["mean"]) > 0.2


def test_mcrmse_and_its_gradient_are_the_golden_ones():
    expected, predicted, given, masked = golden_case()
    wanted = expected["mcrmse_loss"]
    for labels, value, gradient in ((given, "value", "gradient"), (masked, "value_masked", "gradient_masked")):
        rows_B = of_whole(ScoreLoss("mcrmse"), predicted, labels)(predicted, labels)
        (found,) = torch.autograd.grad(rows_B.mean(), predicted)
        assert float(rows_B.detach().mean()) == pytest.approx(wanted[value], abs=1e-10)
        np.testing.assert_allclose(found, wanted[gradient], rtol=0, atol=1e-10)


@pytest.mark.parametrize("cuts", [(6,), (3, 3), (1, 5), (1, 1, 1, 1, 1, 1)])
def test_mcrmse_does_not_depend_on_how_a_step_is_cut(cuts):
    expected, predicted, given, masked = golden_case()
    loss = of_whole(ScoreLoss("mcrmse", weights_C=[1.0, 2.0, 0.5]), predicted, masked)
    parts = [loss(p, g).sum() for p, g in zip(predicted.split(cuts), masked.split(cuts), strict=True)]
    total = torch.stack(parts).sum() / 6
    whole = loss(predicted, masked).mean()
    assert float(total.detach()) == pytest.approx(float(whole.detach()), abs=1e-12)
    halves = expected["mcrmse_loss"]["halves"]
    plain = of_whole(ScoreLoss("mcrmse"), predicted, given)(predicted, given).mean()
    assert abs(float(plain.detach()) - halves["mean_of_halves"]) > 0.05


def test_mcrmse_has_the_gradient_of_its_definition_in_any_scale():
    generator = torch.Generator().manual_seed(1)
    predicted = torch.randn(9, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    given = torch.randn(9, 4, generator=generator, dtype=torch.float64)
    given[torch.rand(9, 4, generator=generator) < 0.3] = NAN
    given[:, 3] = NAN  # a target that nobody knows in this step
    weights, scale = torch.tensor([1.0, 3.0, 0.5, 2.0]), torch.tensor([0.5, 2.0, 1.0, 1.0], dtype=torch.float64)
    loss = ScoreLoss("mcrmse", weights_C=weights.tolist(), scale_C=scale.tolist())
    (found,) = torch.autograd.grad(of_whole(loss, predicted, given)(predicted, given).mean(), predicted)
    known = ~given.isnan()
    squares = torch.where(known, (predicted - given.nan_to_num()) / scale, 0.0).square()
    roots = (squares.sum(0) / known.sum(0).clamp(min=1) + 1e-9).sqrt()
    used = weights * (known.sum(0) > 0)
    (wanted,) = torch.autograd.grad((used * roots).sum() / used.sum(), predicted)
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-12)


def test_weights_are_the_golden_ones():
    expected, predicted, given, _ = golden_case()
    wanted = expected["weighted_smooth_l1_beta_1"]
    rows_B = ScoreLoss("smooth_l1", weights_C=wanted["target_weights"])(predicted, given)
    np.testing.assert_allclose(rows_B.detach(), wanted["rows"], rtol=0, atol=1e-10)
    weighted = (rows_B.detach() * torch.tensor(wanted["row_weights"])).sum() / 6
    assert float(weighted) == pytest.approx(wanted["step_loss_sum_over_rows_by_rows"], abs=1e-10)


@pytest.mark.parametrize("name", ["smooth_l1", "mse", "l1", "mcrmse"])
def test_an_unknown_score_has_exactly_no_gradient_and_no_share_in_the_loss(name):
    predicted = torch.tensor([[1.0, 2.0], [3.0, 5.0], [2.0, 2.0]], requires_grad=True)
    given = torch.tensor([[2.0, NAN], [NAN, NAN], [2.5, 3.0]])
    loss = of_whole(ScoreLoss(name), predicted, given)
    rows_B = loss(predicted, given)
    (gradient,) = torch.autograd.grad(rows_B.sum(), predicted)
    assert gradient[0, 1] == 0 and (gradient[1] == 0).all() and torch.isfinite(gradient).all()
    moved = predicted.detach().clone()
    moved[0, 1], moved[1] = 99.0, -99.0
    torch.testing.assert_close(loss(moved, given), rows_B.detach(), rtol=0, atol=0)


def test_a_perfect_answer_has_a_finite_gradient():
    predicted = torch.zeros(4, 2, requires_grad=True)
    for name in ("smooth_l1", "mse", "l1", "mcrmse"):
        loss = of_whole(ScoreLoss(name), predicted, torch.zeros(4, 2))
        (gradient,) = torch.autograd.grad(loss(predicted, torch.zeros(4, 2)).sum(), predicted)
        assert torch.isfinite(gradient).all()


def test_a_blend_has_the_blend_of_the_scores_and_is_unknown_where_either_is():
    predicted = torch.tensor([[1.0, 1.0], [2.0, 2.0]])
    given = torch.tensor([[2.0, NAN], [4.0, 3.0]])
    partners, share = torch.tensor([1, 0]), 0.25
    found = ScoreLoss("l1").of_blend(predicted, given, torch.tensor([1.0, 0.5]), share, partners)
    assert found.tolist() == pytest.approx([abs(1 - (0.25 * 2 + 0.75 * 4)), 0.5 * abs(2 - (0.25 * 4 + 0.75 * 2))])


def test_the_disagreement_of_two_passes_is_a_weighted_square():
    one, other = torch.tensor([[1.0, 2.0]]), torch.tensor([[2.0, 5.0]])
    loss = ScoreLoss("mse", weights_C=[1.0, 3.0], scale_C=[1.0, 3.0])
    assert float(loss.disagreement(one, other)) == pytest.approx((1 + 3 * 1) / 4)
    assert float(loss.disagreement(one, one)) == 0
