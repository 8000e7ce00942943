"""The head: each pool against a slow reference in float64, packed pairs, multi-sample dropout, what stays frozen, and
folders that answer as the model did."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from tiny_models import PAD, random_inputs, tiny_classifier, tiny_config, tiny_masked_lm
from torch.nn import functional as F
from transformers import (
    AutoModel,
    AutoModelForSequenceClassification,
    BertForSequenceClassification,
    BertModel,
    XLMRobertaConfig,
    XLMRobertaForSequenceClassification,
)

from final_project.errors import ArtifactError, RecipeError
from final_project.model.decision import probabilities_of
from final_project.model.folder import load_classifier
from final_project.model.heads.classifier import PooledClassifier
from final_project.model.heads.pools import POOLS
from final_project.model.loading import load_weights
from final_project.parallel.world import World
from final_project.recipe import load_recipe
from final_project.settings import SimilarityV0
from final_project.tokens.packing import first_position_of
from final_project.tokens.token_table import TokenTable
from final_project.tokens.tokenizer import build_tokenizer
from final_project.training.batching import MicroBatch
from final_project.training.engines import build_engine
from similarity_v0.batches import Lines, pair_batch
from similarity_v0.model import PairModel, pair_model_from
from similarity_v0.param_groups import pair_groups
from similarity_v0.train_step import Step, train_step
from similarity_v0.tricks.chosen import Tricks
from similarity_v0.tricks.r_drop import doubled

CPU = torch.device("cpu")
N_LAYERS = 5
SPAN_ENDS = [*range(6, 24)]  # a third of the ids of random inputs
OPTIONS = {
    "weighted_layers_mean": {"layers_from": 2},
    "mean_and_cls": {"pool_width": 3, "pool_share": 0.3},
    "spans": {"span": "sentence", "span_ends": SPAN_ENDS},
}
"""What pools are built with, where they need more than the encoder's size."""


def pooled_model(pool: str, n_outputs: int = 2, seed: int = 0) -> PairModel:
    torch.manual_seed(seed)
    encoder = BertModel(tiny_config(num_hidden_layers=N_LAYERS))
    classifier = PooledClassifier(encoder, pool, n_outputs, dropout=0.0, options=OPTIONS.get(pool))
    model = PairModel(classifier).double()
    for weight in model.classifier.pool.parameters():
        weight.data.normal_()  # also where it starts at zero
    return model


def spans_of(ids: list[int]) -> list[list[int]]:
    """Positions by span: a span ends behind a run of the tokens that end one."""
    spans = [[0]]
    for at in range(1, len(ids)):
        if ids[at - 1] in SPAN_ENDS and ids[at] not in SPAN_ENDS:
            spans.append([])
        spans[-1].append(at)
    return spans


def affine(parameters: dict, name: str, vector: np.ndarray) -> np.ndarray:
    return parameters[f"{name}.weight"] @ vector + parameters[f"{name}.bias"]


def gelu(x: float) -> float:
    return x * 0.5 * (1 + math.erf(x / math.sqrt(2)))


def pooled_by_hand(pool: str, parameters: dict, layers: list[np.ndarray], ids: list[int]) -> np.ndarray:
    """One pair's vector. layers: hidden states (T, H) of all layers, the lowest first. ids: of its real tokens."""
    n_tokens = len(ids)
    last = layers[-1][:n_tokens]
    simple = {
        "mean": np.array([sum(column) / n_tokens for column in last.T]),
        "max": np.array([max(column) for column in last.T]),
        "min": np.array([min(column) for column in last.T]),
    }
    if pool in simple:
        return simple[pool]
    if pool in ("mean_max", "mean_max_min"):
        return np.concatenate([simple[part] for part in pool.split("_")])
    if pool == "mean_and_cls":
        inner = np.tanh(affine(parameters, "pooler", last[0]))
        return 0.3 * affine(parameters, "of_mean", simple["mean"]) + 0.7 * affine(parameters, "of_cls", inner)
    if pool == "weighted_layers_mean":
        shares = [math.exp(score) for score in parameters["layer_scores"]]
        means = [layer[:n_tokens].mean(0) for layer in layers[1:]]
        return sum(share / sum(shares) * mean for share, mean in zip(shares, means, strict=True))
    if pool == "attention_mlp":
        scores = []
        for state in last:
            inner = affine(parameters, "dense", state)
            normal = (inner - inner.mean()) / math.sqrt(inner.var() + 1e-5)
            normal = normal * parameters["norm.weight"] + parameters["norm.bias"]
            scores.append(float(np.dot(parameters["score.weight"][0], [gelu(x) for x in normal])))
        shares = [math.exp(score) for score in scores]
        return sum(share / sum(shares) * state for share, state in zip(shares, last, strict=True))
    if pool == "spans":
        last = np.array([last[span].mean(0) for span in spans_of(ids)])
    if pool == "last_four":
        return np.concatenate([layer[0] for layer in layers[-4:]])
    if pool == "weighted_layers":
        shares = [math.exp(score) for score in parameters["layer_scores"]]
        return sum(share / sum(shares) * layer[0] for share, layer in zip(shares, layers, strict=True))
    scores = []
    for state in last:
        inner = [
            math.tanh(row @ state + b)
            for row, b in zip(parameters["dense.weight"], parameters["dense.bias"], strict=True)
        ]
        scores.append(float(np.dot(parameters["score.weight"][0], inner)))
    shares = [math.exp(score) for score in scores]
    return sum(share / sum(shares) * state for share, state in zip(shares, last, strict=True))


@pytest.mark.parametrize("pool", POOLS)
def test_a_pool_is_what_its_formula_says(pool):
    model, inputs = pooled_model(pool), random_inputs()
    with torch.no_grad():
        logits_BC = model(**inputs)
        states = model.classifier.encoder(**inputs, output_hidden_states=True).hidden_states[1:]
    parameters = {name: value.detach().numpy() for name, value in model.pool.named_parameters()}
    output = model.output_layer
    for pair, n_tokens in enumerate(inputs["attention_mask"].sum(1).tolist()):
        ids = inputs["input_ids"][pair, :n_tokens].tolist()
        vector = pooled_by_hand(pool, parameters, [layer[pair].numpy() for layer in states], ids)
        expected = output.weight.detach().numpy() @ vector + output.bias.detach().numpy()
        np.testing.assert_allclose(logits_BC[pair].numpy(), expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("pool", POOLS)
def test_a_pool_does_not_see_padding_and_learns(pool):
    model, inputs = pooled_model(pool), random_inputs()
    longer = {name: F.pad(value, (0, 5), value=PAD) for name, value in inputs.items()}
    torch.testing.assert_close(model(**longer), model(**inputs), rtol=0, atol=1e-12)
    model(**inputs).square().sum().backward()
    assert all(weight.grad.abs().sum() > 0 for weight in model.classifier.pool.parameters())


def test_concatenating_four_layers_of_an_encoder_with_two_is_refused():
    with pytest.raises(ArtifactError, match="last_four needs an encoder of four layers or more, found 2"):
        PooledClassifier(BertModel(tiny_config()), "last_four", 2, 0.0)


def test_weighted_layers_start_as_their_mean():
    model = PooledClassifier(BertModel(tiny_config()), "weighted_layers", 2, 0.0)
    states = torch.randn(2, 3, 4, 16)
    pooled = model.pool(states, torch.ones(3, 4, dtype=torch.bool))
    torch.testing.assert_close(pooled, states[:, :, 0].mean(0))


# --- packed pairs -----------------------------------------------------------------------------------------------------


def table_of(lengths: list[int]) -> TokenTable:
    rng = np.random.default_rng(0)
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    types = np.concatenate([np.arange(length) >= length // 2 for length in lengths])
    labels = rng.integers(0, 2, len(lengths)).astype(np.int8)
    return TokenTable(rng.integers(5, 60, offsets[-1]), types.astype(np.uint8), offsets, labels)


TABLE = table_of([7, 12, 5, 9, 4, 11, 6])
WEIGHTS = np.ones(len(TABLE), dtype=np.float32)
ROWS = MicroBatch(np.array([3, 0, 6, 1, 2, 5]), 0)


def roberta_model() -> PairModel:
    torch.manual_seed(0)
    sizes = {"vocab_size": 60, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = XLMRobertaConfig(
        **sizes, intermediate_size=32, max_position_embeddings=40, pad_token_id=1, type_vocab_size=2
    )
    return PairModel(XLMRobertaForSequenceClassification(config)).double()


MODELS = {
    "cls": lambda: PairModel(tiny_classifier().double()),
    "roberta": roberta_model,
    **{pool: lambda pool=pool: pooled_model(pool) for pool in POOLS},
}


def both_forms(model: PairModel, micro_batch: MicroBatch = ROWS) -> tuple:
    lines = Lines(24, first_position_of(model.classifier.config))
    pad_id = model.classifier.config.pad_token_id
    return tuple(pair_batch(TABLE, WEIGHTS, micro_batch, pad_id, CPU, form) for form in (None, lines))


@pytest.mark.parametrize("name", MODELS)
def test_packed_pairs_answer_as_pairs_apart(name):
    model = MODELS[name]().eval()
    apart, packed = both_forms(model)
    assert packed.inputs["input_ids"].shape[0] < len(ROWS.rows)
    assert torch.equal(apart.labels_B, packed.labels_B)
    torch.testing.assert_close(model(**packed.inputs), model(**apart.inputs), rtol=0, atol=1e-10)


@pytest.mark.parametrize("name", ["cls", "mean"])
def test_packed_pairs_take_the_step_of_pairs_apart(name):
    after = []
    for form in (0, 1):
        model = MODELS[name]()
        engine = build_engine("torch", model, SimilarityV0(), "fp32", World())
        batch = both_forms(model)[form]
        train_step(engine, Step([batch], len(ROWS.rows), 1, 1), 1.0, Tricks())
        after.append(engine.full_weights())
    # Adam turns a gradient of rounding noise into a step, so weights that no pair uses are not told apart from noise
    assert max(float((after[0][name] - after[1][name]).abs().max()) for name in after[0]) < 1e-6


def test_packed_pairs_can_be_laid_twice():
    model = MODELS["mean"]()
    _, packed = both_forms(model)
    first, second = model(**doubled(packed.inputs)).chunk(2)
    torch.testing.assert_close(first, second, rtol=0, atol=1e-12)
    torch.testing.assert_close(first, model(**packed.inputs), rtol=0, atol=1e-12)


def test_one_pair_alone_can_be_packed():
    model = MODELS["cls"]().eval()
    apart, packed = both_forms(model, MicroBatch(np.array([4]), 0))
    torch.testing.assert_close(model(**packed.inputs), model(**apart.inputs), rtol=0, atol=1e-10)


# --- multi-sample dropout ---------------------------------------------------------------------------------------------


def logits_of_masks(model: PairModel, pooled_BH: torch.Tensor, n_samples: int, p: float) -> list[torch.Tensor]:
    """Each mask by itself, drawn in the order in which torch draws them at once."""
    keep = torch.empty(n_samples, *pooled_BH.shape, dtype=torch.float64).bernoulli_(1 - p)
    output = model.output_layer
    return [(pooled_BH * mask / (1 - p)) @ output.weight.T + output.bias for mask in keep]


@pytest.mark.parametrize("reduce", ["sum", "mean"])
def test_multi_sample_dropout_sums_or_averages_the_logits_of_its_masks(reduce):
    model = PairModel(tiny_classifier(classifier_dropout=0.3).double())
    model.use_multi_dropout(4, reduce)
    model.train()
    pooled_BH = torch.randn(5, 16, dtype=torch.float64)
    torch.manual_seed(1)
    found = model.output_layer(pooled_BH)
    torch.manual_seed(1)
    each = logits_of_masks(model, pooled_BH, 4, 0.3)
    expected = sum(each) if reduce == "sum" else sum(each) / 4
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-12)


@pytest.mark.parametrize("make", [MODELS["cls"], MODELS["mean"], MODELS["roberta"]])
@pytest.mark.parametrize("reduce", ["sum", "mean"])
def test_multi_sample_dropout_keeps_the_weights_names_and_its_folder_needs_no_trace_of_it(make, reduce, tmp_path):
    model, inputs = make().float().eval(), random_inputs()
    names, plain = list(model.state_dict()), model(**inputs)
    model.use_multi_dropout(3, reduce)
    model.eval()
    assert list(model.state_dict()) == names
    answered = model(**inputs)
    torch.testing.assert_close(answered, (3 if reduce == "sum" else 1) * plain)
    model.save(tmp_path, {name: value.detach() for name, value in model.state_dict().items()})
    tokenizer_for(tmp_path)
    torch.testing.assert_close(load_classifier(tmp_path)[0](**inputs).logits, answered)


def tokenizer_for(folder) -> None:
    build_tokenizer(["你好吗。", "天气不错"], 60).save_pretrained(folder)


# --- folders ----------------------------------------------------------------------------------------------------------


@pytest.mark.stage
@pytest.mark.parametrize("n_outputs", [1, 2])
@pytest.mark.parametrize("pool", ["cls", *POOLS])
def test_a_saved_model_answers_as_before(pool, n_outputs, tmp_path):
    tiny_masked_lm(num_hidden_layers=4).save_pretrained(tmp_path / "start")
    tokenizer_for(tmp_path / "start")
    settings = SimilarityV0(pool=pool, n_outputs=n_outputs, loss="bce" if n_outputs == 1 else "ce")
    model, inputs = pair_model_from(str(tmp_path / "start"), 7, settings).eval(), random_inputs()
    model.save(tmp_path / "model", model.state_dict())
    tokenizer_for(tmp_path / "model")
    again, _ = load_classifier(tmp_path / "model")
    assert again.config.num_labels == n_outputs
    with torch.no_grad():
        logits = model(**inputs)
        torch.testing.assert_close(again(**inputs).logits, logits, rtol=0, atol=1e-7)
        encoder = AutoModel.from_pretrained(tmp_path / "model").eval()
        expected = model.classifier.base_model(**inputs).last_hidden_state
        torch.testing.assert_close(encoder(**inputs).last_hidden_state, expected, rtol=0, atol=1e-6)
    probabilities = probabilities_of(logits)
    assert probabilities.shape == (6, 2)
    positive = torch.sigmoid(logits[:, 0]) if n_outputs == 1 else torch.softmax(logits, 1)[:, 1]
    np.testing.assert_allclose(probabilities[:, 1], positive, atol=1e-6)
    np.testing.assert_allclose(probabilities.sum(1), 1.0, atol=1e-12)


def test_the_heads_random_weights_follow_from_the_seed(tmp_path):
    tiny_masked_lm().save_pretrained(tmp_path)

    def head(seed: int) -> torch.Tensor:
        return pair_model_from(str(tmp_path), seed, SimilarityV0(pool="mean")).output_layer.weight

    assert torch.equal(head(1), head(1)) and not torch.equal(head(1), head(2))


def save_attention_folder(folder) -> None:
    pooled_model("attention").float().classifier.save_pretrained(folder)
    tokenizer_for(folder)


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        ("no json", "head.json: expected a pool"),
        ("pool", "head.json: expected a pool"),
        ("no weights", "head.safetensors: not this head's weights"),
        ("other names", "head.safetensors: not this head's weights"),
        ("other shape", "head.safetensors: not this head's weights"),
        ("cut short", "head.safetensors: not this head's weights"),
    ],
)
def test_a_damaged_head_is_refused_with_the_name_of_its_file(damage, said, tmp_path):
    save_attention_folder(tmp_path)
    facts, weights = tmp_path / "head.json", tmp_path / "head.safetensors"
    head = load_file(weights)
    if damage == "no json":
        facts.write_text("{")
    elif damage == "pool":
        facts.write_text(json.dumps({"pool": "median", "n_outputs": 2, "dropout": 0.1}))
    elif damage == "no weights":
        weights.unlink()
    elif damage == "other names":
        save_file({f"x{name}": value for name, value in head.items()}, weights)
    elif damage == "other shape":
        save_file({name: value[..., :1].contiguous() for name, value in head.items()}, weights)
    else:
        weights.write_bytes(weights.read_bytes()[:-10])
    with pytest.raises(ArtifactError, match=said):
        load_classifier(tmp_path)


def test_weights_that_do_not_fit_the_config_are_named_with_both_shapes(tmp_path):
    BertForSequenceClassification(tiny_config(vocab_size=40)).save_pretrained(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(config | {"vocab_size": 45}))
    with pytest.raises(ArtifactError, match=r"word_embeddings\.weight has the shape \[40, \d+\] .* \[45, \d+\]"):
        load_weights(AutoModelForSequenceClassification, tmp_path)


# --- what stays frozen ------------------------------------------------------------------------------------------------


def test_frozen_embeddings_and_layers_stay_while_the_rest_learns():
    model = PairModel(tiny_classifier(num_hidden_layers=3).double())
    model.freeze(embeddings=True, n_layers=2)
    settings = SimilarityV0(lr_groups="thirds", lr=1e-2)
    engine = build_engine("torch", model, settings, "fp32", World(), pair_groups)
    before = engine.full_weights()
    train_step(engine, Step([both_forms(model)[0]], 6, 1, 1), 1.0, Tricks())
    after = engine.full_weights()
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved and all(
        ".layer.2." in name or "pooler" in name or name.startswith("classifier.classifier") for name in moved
    )
    assert not any("key.bias" in name for name in moved)


def test_more_frozen_layers_than_there_are_is_refused():
    with pytest.raises(ArtifactError, match="freeze_layers 3: the encoder has 2 layers"):
        PairModel(tiny_classifier()).freeze(False, 3)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (("batch_form=packed", "mixup=layer"), "mixup: layer would blend whole packed sequences"),
        (("batch_form=packed", "freelb_eps=1"), "freelb_eps: 1 needs batch_form: rows"),
        (("batch_form=packed", "pack_length=32"), "pack_length: 32 is too small for one row of max_length: 64"),
        (("pool=median",), "'weighted_layers'"),
        (("n_outputs=3",), "found 3"),
        (("head_dropout=1",), "head_dropout"),
        (("multi_dropout_samples=0",), "multi_dropout_samples"),
    ],
)
def test_settings_of_the_head_that_do_not_go_together_are_refused(settings, said):
    with pytest.raises(RecipeError, match=said):
        load_recipe("demo", [f"similarity_v0.{setting}" for setting in settings])
