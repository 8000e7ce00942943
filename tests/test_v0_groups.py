"""Grouped rates: which weight learns how fast, at 2, 12 and 24 layers."""

from __future__ import annotations

import logging

import pytest
import torch
from tiny_models import tiny_classifier, tiny_config
from transformers import BertModel

from final_project.errors import RecipeError
from final_project.model.heads.classifier import PooledClassifier
from final_project.recipe import load_recipe
from final_project.settings import SimilarityV0
from final_project.training.optim import optimizer_groups, set_lr
from similarity_v0.model import PairModel
from similarity_v0.param_groups import pair_groups

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
