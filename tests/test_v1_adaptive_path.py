"""Integrated gradients whose points lie where the model's answer moves."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertTokenizer
from v1_support import CHARACTERS, SPECIAL, run_cli, tiny_classifier

from final_project.settings import SimilarityV1
from similarity_v1.explain.explainer import Explainer
from similarity_v1.explain.from_settings import method_options
from similarity_v1.explain.methods import adaptive_path
from similarity_v1.explain.methods.adaptive_path import LOOKS, MOST_STEPS, first_panels, panel_edges
from similarity_v1.explain.probe import Probe

PAIRS = [
    ("怎么开通花呗", "如何关闭花呗"),
    ("手机号码", "手机号码是多少？"),
    ("好看吗", "多少钱！怎么如何开通关闭"),
    ("钱", "钱"),
]
PLACES = np.linspace(0, 1, LOOKS + 1)

pytestmark = pytest.mark.usefixtures("one_thread")


class Steep(nn.Module):
    """z_0 = 0, z_1 = STEEPNESS * (the sum of the tokens' numbers - TURN): log P(1) turns a sharp corner on the way from
    zero. All tokens have the same gradient at every point, so each carries its share of the sum times the rise."""

    STEEPNESS, TURN = 300, 1.1

    def __init__(self, n_ids):
        super().__init__()
        self.embeddings = nn.Embedding(n_ids, 1)
        torch.manual_seed(0)
        nn.init.uniform_(self.embeddings.weight, 0.1, 0.3)
        self.config = SimpleNamespace(model_type="bert", num_labels=2, max_position_embeddings=64)

    def get_input_embeddings(self):
        return self.embeddings

    def forward(self, input_ids, attention_mask):
        sum_B = (self.embeddings(input_ids)[..., 0] * attention_mask).sum(1)
        logits_B = self.STEEPNESS * (sum_B - self.TURN)
        return SimpleNamespace(logits=torch.stack([torch.zeros_like(logits_B), logits_B], dim=1))


@pytest.fixture(scope="module")
def steep():
    tokenizer = BertTokenizer(vocab={token: i for i, token in enumerate([*SPECIAL, *dict.fromkeys(CHARACTERS)])})
    return Steep(len(tokenizer)), tokenizer


def explained(steep, rows=PAIRS, **options):
    return Explainer(*steep, "integrated_gradients", target=1, reduce="sum", **options).explain(rows)


def errors(rows):
    return np.array([row.completeness_error for row in rows])


def scores(rows):
    return np.concatenate([side for row in rows for side in row.scores])


def known(steep):
    """(each word's share of its row's rise, the rises), in float64."""
    model, tokenizer = steep
    shares, rises = [], []
    for pair in PAIRS:
        numbers = model.embeddings.weight[tokenizer(*pair)["input_ids"], 0].double().detach().numpy()
        at_zero, at_end = (-np.logaddexp(0, -model.STEEPNESS * (x - model.TURN)) for x in (0, numbers.sum()))
        rises.append(at_end - at_zero)
        words = np.r_[1 : 1 + len(pair[0]), 2 + len(pair[0]) : len(numbers) - 1]
        shares.append(numbers[words] / numbers.sum() * rises[-1])
    return np.concatenate(shares), np.array(rises)


def test_panels_are_narrow_where_the_answer_moves():
    edges = panel_edges(1 / (1 + np.exp(-(PLACES - 0.7) * 100)), 10)
    widths = np.diff(edges)
    assert edges[0] == 0 and edges[-1] == 1 and (widths > 0).all()
    assert widths[np.searchsorted(edges, 0.69) - 1] < widths.max() / 6


@pytest.mark.parametrize("looks", [np.zeros(LOOKS + 1), 3 * PLACES - 1])
def test_where_the_answer_does_not_bend_panels_are_even(looks):
    np.testing.assert_allclose(panel_edges(looks, 5), np.linspace(0, 1, 6), atol=1e-6)


def test_rounding_of_the_answer_hardly_moves_the_panels():
    looks = np.tanh(20 * (PLACES - 0.3)) + PLACES**2
    noise = np.random.default_rng(0).normal(size=LOOKS + 1) * 1e-7
    assert np.abs(panel_edges(looks + noise, 10) - panel_edges(looks, 10)).max() < 1e-4


@pytest.mark.parametrize("steps", [1, 4, 5, 8, 50, 53])
def test_the_points_of_all_panels_are_the_steps(steps):
    panels = first_panels(np.stack([PLACES, PLACES**3]), steps)
    assert panels.per_row(panels.steps_K, 2).tolist() == [steps, steps]
    np.testing.assert_allclose(panels.per_row(panels.end_K - panels.begin_K, 2), 1)


def test_fifty_gradients_where_the_answer_moves_are_complete_where_fifty_even_ones_are_not(steep):
    even, placed = explained(steep, rule="gauss_legendre"), explained(steep)
    wanted, rises = known(steep)
    assert (errors(placed) <= 1e-3 * rises).all() and errors(even).max() > 10 * errors(placed).max()
    np.testing.assert_allclose(scores(placed), wanted, rtol=1e-3)


def test_with_a_tolerance_each_row_takes_as_many_steps_as_it_needs(steep):
    few, many = (explained(steep, tolerance=share, steps=10) for share in (0.1, 1e-5))
    wanted, rises = known(steep)
    for rows, share in ((few, 0.1), (many, 1e-5)):
        assert (errors(rows) <= share * rises + 1e-4).all(), "1e-4 is what single precision makes of 330"
    np.testing.assert_allclose(scores(many), wanted, rtol=1e-5)
    assert all(10 <= a.steps < b.steps < MOST_STEPS for a, b in zip(few[:3], many[:3], strict=True))
    assert few[3].steps == many[3].steps == 10, "the sum of the last row's numbers does not reach the turn"
    assert explained(steep, rule="midpoint")[0].steps is None


def test_with_a_tolerance_batch_order_and_padding_change_nothing(steep):
    alone = [explained(steep, [row], tolerance=1e-4)[0] for row in PAIRS]
    for budget in (64, 4096):
        together = explained(steep, PAIRS[::-1], tolerance=1e-4, batch_tokens=budget)[::-1]
        assert [row.steps for row in alone] == [row.steps for row in together]
        np.testing.assert_allclose(scores(together), scores(alone), rtol=1e-6)


def test_no_row_takes_steps_without_end(steep, monkeypatch):
    monkeypatch.setattr(adaptive_path, "MOST_STEPS", 60)
    assert max(row.steps for row in explained(steep, tolerance=1e-6, steps=10)) <= 60


def test_no_more_gradients_are_taken_than_are_reported(steep, monkeypatch):
    taken, gradients = [], Probe.gradients
    monkeypatch.setattr(
        Probe, "gradients", lambda probe, points, rows: (taken.append(points.shape), gradients(probe, points, rows))[1]
    )
    rows = explained(steep, tolerance=1e-4, batch_tokens=64)
    assert sum(n for n, _, _ in taken) == sum(row.steps for row in rows) and max(n * t for n, t, _ in taken) <= 64
    taken.clear()
    explained(steep)
    assert sum(n for n, _, _ in taken) == 50 * len(PAIRS)


def test_the_recipe_hands_the_tolerance_over_and_refuses_it_for_even_points(tmp_path, capsys):
    told = SimilarityV1(method="integrated_gradients", ig_steps=50, ig_rule="adaptive", ig_tolerance=1e-3)
    assert method_options(told) == {"steps": 50, "rule": "adaptive", "tolerance": 1e-3, "reduce": "l2"}
    with pytest.raises(ValueError, match=r"ig_tolerance: 0\.001 needs ig_rule: adaptive, found ig_rule: right"):
        SimilarityV1(method="integrated_gradients", ig_tolerance=1e-3)
    options = ("--ig-steps", 20, "--ig-rule", "adaptive", "--ig-tolerance", 0.01)
    _, out, _ = run_cli(capsys, "explain", "--model", tiny_classifier(tmp_path), *options, *PAIRS[0])
    assert "completeness error" in out and " steps" in out
