"""The attribution methods: against closed forms, slow references, Captum, and their own axioms."""

from itertools import combinations
from math import comb
from types import SimpleNamespace

import captum.attr
import numpy as np
import pytest
import torch
from torch import nn
from transformers import BertTokenizer
from v1_support import CHARACTERS, SPECIAL, tiny_classifier

from final_project.errors import RecipeError
from final_project.settings import SimilarityV1
from final_project.settings.similarity_v1 import OPTIONS
from similarity_v1.explain.encoding import encode, pad
from similarity_v1.explain.explainer import Explainer
from similarity_v1.explain.from_settings import method_options
from similarity_v1.explain.methods import METHODS, method_named
from similarity_v1.explain.methods.gradients import path_rule
from similarity_v1.explain.methods.left_out import CHOICES_PER_UNIT, KernelShap, local_weights, shapley_values
from similarity_v1.explain.probe import Reading, probing

PAIRS = [
    ("怎么开通花呗", "如何关闭花呗"),
    ("手机号码", "手机号码是多少？"),
    ("好看吗", "好看的了是在有，多少钱！怎么如何开通关闭"),
    ("钱", "钱"),
    ("如何借钱 abc 123", "怎么 借 钱"),
]
GRADIENTS = ("gradient_x_input", "integrated_gradients", "smooth_grad", "grad_shap", "deep_lift")
LEFT_OUT = ("leave_one_out", "lime", "kernel_shap")
COMPLETE = ("integrated_gradients", "grad_shap", "deep_lift", "kernel_shap")

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tiny_classifier(tmp_path_factory.mktemp("model"))


def numbers(explanations):
    return np.concatenate([side for found in explanations for side in found.scores])


# --- a model about which everything is known


class Linear(nn.Module):
    """z_0 = 0 and z_1 = the sum of the tokens' numbers; H = 1. With the target `both` F is linear in the embeddings."""

    def __init__(self, n_ids, n_labels=2):
        super().__init__()
        self.embeddings = nn.Embedding(n_ids, 1)
        torch.manual_seed(0)
        nn.init.normal_(self.embeddings.weight)
        self.config = SimpleNamespace(
            model_type="bert", num_labels=n_labels, max_position_embeddings=64, _attn_implementation="eager"
        )

    def get_input_embeddings(self):
        return self.embeddings

    def forward(self, input_ids, attention_mask):
        sum_B = (self.embeddings(input_ids)[..., 0] * attention_mask).sum(1)
        columns = [sum_B] if self.config.num_labels == 1 else [torch.zeros_like(sum_B), sum_B]
        return SimpleNamespace(logits=torch.stack(columns, dim=1))


@pytest.fixture(scope="module")
def tokenizer():
    return BertTokenizer(vocab={token: i for i, token in enumerate([*SPECIAL, *dict.fromkeys(CHARACTERS)])})


def known_scores(model, tokenizer, explanation, baseline):
    """What each word adds to the sum, for or against the label."""
    weight = model.embeddings.weight[:, 0].double()
    nothing = {"zero": 0.0, "mask": float(weight[tokenizer.mask_token_id])}[baseline]
    sign = 1 if explanation.label in (1, None) else -1
    ids = [tokenizer.convert_tokens_to_ids(list(words)) for words in explanation.words]
    return np.concatenate([sign * (weight[side].detach().numpy() - nothing) for side in ids])


@pytest.mark.parametrize("name", [*GRADIENTS, *LEFT_OUT])
@pytest.mark.parametrize("n_labels", [1, 2])
def test_on_a_linear_model_every_method_gives_the_words_what_they_add(name, n_labels, tokenizer):
    model = Linear(len(tokenizer), n_labels)
    options = {"reduce": "sum"} if name in GRADIENTS else {}
    options |= {"noise": 0.0} if name in ("smooth_grad", "grad_shap") else {}
    options |= {"samples": 2000} if name in LEFT_OUT[1:] else {}
    target = "both" if n_labels == 2 else "predicted"
    rows = [("怎么开通", "如何关"), ("钱", "花呗")]
    found = Explainer(model, tokenizer, name, target=target, **options).explain(rows)
    for explanation in found:
        known = known_scores(model, tokenizer, explanation, "zero" if name in GRADIENTS else "mask")
        ours = np.concatenate(explanation.scores)
        if name == "lime":  # its ridge pulls the weights towards 0, as their authors have it
            assert np.corrcoef(ours, known)[0, 1] > 0.999
        else:
            np.testing.assert_allclose(ours, known, atol=1e-5)
        assert (explanation.completeness_error is not None) == (name in COMPLETE)
        assert (explanation.completeness_error or 0) < 1e-5


def test_the_l2_norm_of_one_hidden_dimension_is_the_size_of_the_sum(tokenizer):
    model = Linear(len(tokenizer))
    signed = Explainer(model, tokenizer, reduce="sum").explain(PAIRS[:2])
    np.testing.assert_allclose(numbers(Explainer(model, tokenizer).explain(PAIRS[:2])), np.abs(numbers(signed)))


# --- axioms


@pytest.mark.stage
@pytest.mark.parametrize("baseline", ["mask", "pad"])
@pytest.mark.parametrize("target", ["predicted", "both", 0])
def test_integrated_gradients_are_complete_to_a_thousandth_at_fifty_steps(folder, baseline, target):
    explainer = Explainer.from_folder(
        folder, "integrated_gradients", steps=50, baseline=baseline, reduce="sum", target=target
    )
    for found in explainer.explain(PAIRS):
        assert found.completeness_error <= 1e-3


def test_integrated_gradients_from_zero_are_complete_where_the_model_is_smooth_at_zero(folder):
    """BERT's layer norm divides what is near zero by its own size: without biases F jumps at the zero baseline."""
    explainer = Explainer.from_folder(folder, "integrated_gradients", steps=50, reduce="sum")
    torch.manual_seed(0)
    for name, parameter in explainer.model.named_parameters():
        if name.endswith("dense.bias"):
            nn.init.normal_(parameter, std=0.5)
    assert max(found.completeness_error for found in explainer.explain(PAIRS)) <= 1e-3


@pytest.mark.stage
@pytest.mark.parametrize("name", METHODS)
def test_batch_order_and_padding_change_nothing(folder, name):
    # from zero, where layer norm magnifies, single points of the path carry more rounding than the mean over many
    options = {"baseline": "mask"} if name == "grad_shap" else {}
    explainer = Explainer.from_folder(folder, name, batch_tokens=100_000, **options)
    alone = numbers([explainer.explain([row])[0] for row in PAIRS])
    limit = 1e-6 * max(1, np.abs(alone).max())
    together = explainer.explain(PAIRS * 3)
    np.testing.assert_allclose(numbers(together[:5]), alone, rtol=0, atol=limit)
    np.testing.assert_allclose(numbers(together[10:]), alone, rtol=0, atol=limit)
    small = Explainer.from_folder(folder, name, batch_tokens=64, **options).explain(PAIRS[::-1])
    np.testing.assert_allclose(numbers(small[::-1]), alone, rtol=0, atol=limit)


@pytest.mark.stage
@pytest.mark.parametrize("name", ["smooth_grad", "grad_shap", "lime", "kernel_shap", "random"])
def test_another_seed_draws_otherwise_and_the_same_seed_the_same(folder, name):
    options = {"samples": 30} if name != "random" else {}
    rows = PAIRS[2:3]
    first, again, other = (Explainer.from_folder(folder, name, seed=s, **options).explain(rows) for s in (0, 0, 1))
    assert first == again and np.abs(numbers(first) - numbers(other)).max() > 1e-6


def test_the_rules_of_the_path_have_their_nodes_and_weights():
    nodes, weights = path_rule("right", 4)
    assert nodes.tolist() == [0.25, 0.5, 0.75, 1] and weights.tolist() == [0.25] * 4
    assert path_rule("midpoint", 2)[0].tolist() == [0.25, 0.75]
    nodes, weights = path_rule("gauss_legendre", 5)
    for power in range(10):
        assert (weights * nodes**power).sum() == pytest.approx(1 / (power + 1), abs=1e-12)


# --- against slow references and Captum


def opened(explainer, rows=PAIRS):
    """A probe of these rows, as the Explainer opens it."""
    words = [tuple(map(tuple, texts)) for texts in [(a.replace(" ", ""), b.replace(" ", "")) for a, b in rows]]
    encoded = encode(explainer.tokenizer, explainer.limit, rows, words, explainer.keys)
    inputs = pad(encoded, explainer.tokenizer.pad_token_id, explainer.device)
    return probing(explainer.model, inputs, encoded, explainer.reading, True)


def tokens_of(probe, name, **options):
    return method_named(name, **options)(probe).scores_BT.float()


@pytest.mark.parametrize("target", ["predicted", "both", 1])
def test_gradients_agree_with_captum(folder, target):
    with opened(Explainer.from_folder(folder, target=target)) as probe:
        rows = torch.arange(len(PAIRS))
        peer = captum.attr.InputXGradient(probe.forward).attribute(probe.embedded_BTH, additional_forward_args=(rows,))
        ours = tokens_of(probe, "gradient_x_input", reduce="sum")
        torch.testing.assert_close(ours, peer.sum(-1).detach(), rtol=1e-5, atol=1e-5)


@pytest.mark.stage
@pytest.mark.parametrize(("rule", "theirs"), [("gauss_legendre", "gausslegendre"), ("midpoint", "riemann_middle")])
@pytest.mark.parametrize("baseline", ["zero", "mask"])
def test_integrated_gradients_agree_with_captum(folder, rule, theirs, baseline):
    with opened(Explainer.from_folder(folder)) as probe:
        peer, delta = captum.attr.IntegratedGradients(probe.forward).attribute(
            probe.embedded_BTH,
            probe.baseline(baseline),
            additional_forward_args=(torch.arange(len(PAIRS)),),
            n_steps=12,
            method=theirs,
            return_convergence_delta=True,
        )
        ours = method_named("integrated_gradients", steps=12, rule=rule, baseline=baseline, reduce="sum")(probe)
        torch.testing.assert_close(ours.scores_BT, peer.sum(-1).float(), rtol=1e-5, atol=1e-5)
        torch.testing.assert_close(ours.error_B, delta.abs().float(), rtol=1e-4, atol=1e-4)


def test_leave_one_out_agrees_with_captums_feature_ablation(folder):
    with opened(Explainer.from_folder(folder)) as probe:
        units = torch.full(probe.mask_BT.shape, 0)
        for b, row in enumerate(probe.rows):
            units[b, : len(row)] = torch.tensor(row.units_T) + 1
        hidden = probe.embedded_BTH.shape[-1]
        peer = captum.attr.FeatureAblation(probe.values).attribute(
            probe.embedded_BTH,
            probe.baseline("mask"),
            additional_forward_args=(torch.arange(len(PAIRS)),),
            feature_mask=units.unsqueeze(-1).expand(-1, -1, hidden),
        )
        ours = tokens_of(probe, "leave_one_out")
        content = probe.content_BT
        sizes = torch.stack([torch.bincount(row, minlength=30)[row] for row in units])
        torch.testing.assert_close((ours * sizes)[content], peer[..., 0][content].float(), rtol=1e-5, atol=1e-5)


@pytest.mark.stage
def test_kernel_shap_agrees_with_the_definition_of_shapley_values(folder):
    """Exact where all choices fit; read from the definition, choice by choice."""
    explainer = Explainer.from_folder(folder, "kernel_shap", target="both")
    (found,) = explainer.explain([("怎么开", "如何")])
    with opened(explainer, [("怎么开", "如何")]) as probe:
        (row,) = probe.rows
        baseline = probe.baseline("mask")

        def value(kept):
            keep_T = torch.tensor([unit < 0 or unit in kept for unit in row.units_T])
            point = torch.where(keep_T[None, :, None], probe.embedded_BTH, baseline)
            return float(probe.values(point, torch.tensor([0])))

        shares = []
        for unit in range(5):
            others = [other for other in range(5) if other != unit]
            choices = [set(choice) for size in range(5) for choice in combinations(others, size)]
            shares.append(sum((value(c | {unit}) - value(c)) / (5 * comb(4, len(c))) for c in choices))
    np.testing.assert_allclose(np.concatenate(found.scores), shares, atol=1e-5)


@pytest.mark.stage
def test_sampled_kernel_shap_comes_near_the_exact_one_and_keeps_its_sum(folder):
    explainer = Explainer.from_folder(folder, "kernel_shap", target="both", samples=600)
    (found,) = explainer.explain(PAIRS[:1])
    (exact,) = Explainer.from_folder(folder, "kernel_shap", target="both", samples=2**12).explain(PAIRS[:1])
    ours, wanted = np.concatenate(found.scores), np.concatenate(exact.scores)
    assert ours.sum() == pytest.approx(wanted.sum(), abs=1e-4)
    assert np.abs(ours - wanted).max() < 0.15 * np.abs(wanted).max()


def test_long_rows_get_enough_choices():
    row = SimpleNamespace(units_T=list(range(40)), seed=1)
    keeps, weights = KernelShap(samples=10).choices(row)
    assert len(keeps) == len(weights) == 40 * CHOICES_PER_UNIT
    assert not (keeps.all(axis=1) | ~keeps.any(axis=1)).any()
    single = shapley_values(np.zeros((0, 1), bool), np.zeros(0), np.zeros(0), 3.0, 1.0)
    assert single.tolist() == [2.0] and shapley_values(np.zeros((0, 0), bool), *[np.zeros(0)] * 2, 1, 1).size == 0


def test_limes_regression_agrees_with_scikit_learns():
    from sklearn.linear_model import Ridge

    random = np.random.default_rng(0)
    keeps, values = random.random((50, 6)) < 0.6, random.normal(size=50)
    near = np.sqrt(np.exp(-((1 - np.sqrt(keeps.mean(axis=1))) ** 2) / 0.25**2))
    peer = Ridge(alpha=1.0).fit(keeps, values, sample_weight=near).coef_
    np.testing.assert_allclose(local_weights(keeps, values), peer, atol=1e-9)


def test_deep_lift_is_captums_and_leaves_its_table_as_it_was(folder):
    from captum.attr._core.deep_lift import SUPPORTED_NON_LINEAR

    before = dict(SUPPORTED_NON_LINEAR)
    (plain,) = Explainer.from_folder(folder, "deep_lift", baseline="mask", target="both").explain(PAIRS[:1])
    assert before == SUPPORTED_NON_LINEAR and plain.completeness_error > 0


def test_attention_and_rollout_are_those_of_the_model(folder):
    explainer = Explainer.from_folder(folder, "attention")
    with opened(explainer, PAIRS[:1]) as probe:
        last, rolled = tokens_of(probe, "attention"), tokens_of(probe, "attention_rollout")
        inputs = probe.inputs
    implementation = explainer.model.config._attn_implementation
    explainer.model.set_attn_implementation("eager")
    with torch.no_grad():
        layers = explainer.model(**inputs, output_attentions=True).attentions
    product = torch.eye(layers[0].shape[-1])
    for layer in layers:
        product = 0.5 * (layer[0].mean(0) + torch.eye(len(product))) @ product
    torch.testing.assert_close(last[0], layers[-1][0].mean(0)[0])
    torch.testing.assert_close(rolled[0], product[0])
    assert implementation == "sdpa", "the fused kernel is back after the question"


# --- names and options


def test_an_unknown_method_or_option_is_named():
    with pytest.raises(RecipeError, match="did you mean kernel_shap"):
        method_named("kernel_shop")
    with pytest.raises(RecipeError, match="attention has no option 'steps' \\(it has none\\)"):
        method_named("attention", steps=3)


def test_the_recipe_knows_every_method_and_hands_over_its_options():
    assert list(OPTIONS) == list(METHODS)
    for name in METHODS:
        method_named(name, **method_options(SimilarityV1(method=name, ig_steps=1)))
    with pytest.raises(ValueError, match="baseline: zero is not an option of method: random"):
        SimilarityV1(method="random", baseline="zero")
    told = SimilarityV1(method="grad_shap", samples=7, noise=0.5, baseline="pad", reduce="sum")
    assert method_options(told) == {"samples": 7, "noise": 0.5, "baseline": "pad", "reduce": "sum"}


def test_a_baseline_that_the_tokenizer_cannot_spell_is_refused(folder):
    explainer = Explainer.from_folder(folder)
    bare = Reading(token_ids={"mask": None})
    with opened(explainer) as probe, pytest.raises(RecipeError, match="the tokenizer has no mask token"):
        probe.reading = bare
        probe.baseline("mask")
