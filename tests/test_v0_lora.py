"""LoRA: golden values, what is trained, merged folders that every loader reads, resume, and what is refused."""

from __future__ import annotations

import json
import sys

import pytest
import torch
from test_v0_model import CPU, ROWS, TABLE, WEIGHTS, tokenizer_for
from tiny_models import PAD, random_inputs, tiny_config, tiny_masked_lm
from torch import nn
from transformers import (
    AutoModelForSequenceClassification,
    BertForSequenceClassification,
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    RobertaConfig,
    RobertaForSequenceClassification,
)
from v0_support import pair_run, write_start
from v1_support import golden

from final_project.errors import EnvironmentProblem, RecipeError
from final_project.model.adapters.lora import is_adapter, merged
from final_project.model.folder import load_classifier
from final_project.parallel.world import World
from final_project.recipe import load_recipe
from final_project.settings import SimilarityV0
from final_project.training.engines import build_engine
from similarity_v0.batches import pair_batch
from similarity_v0.model import PairModel, pair_model_from
from similarity_v0.param_groups import pair_groups
from similarity_v0.train_step import Step, train_step
from similarity_v0.tricks.chosen import Tricks

peft = pytest.importorskip("peft", reason="peft is not installed: pip install peft")

VARIANTS = ("plain", "rslora", "dora")
DTYPES = {torch.float64: 1e-10, torch.float32: 1e-5}
TYPES = {
    "bert": (BertForSequenceClassification, tiny_config, ["query", "value"]),
    "roberta": (RobertaForSequenceClassification, RobertaConfig, ["query", "output.dense"]),
    "deberta": (DebertaV2ForSequenceClassification, DebertaV2Config, ["query_proj", "dense"]),
}
SIZES = {"vocab_size": 60, "hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 32}
SIZES |= {"num_hidden_layers": 2, "pad_token_id": 0}


# --- golden values ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("variant", "key"), [("plain", "y"), ("rslora", "y_rslora"), ("dora", None)])
def test_the_layer_and_its_merged_weight_give_the_golden_values(variant, key, dtype):
    case = json.loads(golden("heads_and_recall/lora.json").read_text())
    W, b, A, B, x = (torch.tensor(case[name], dtype=dtype) for name in ("W", "b", "A", "B", "x"))
    linear = nn.Linear(W.shape[1], W.shape[0]).to(dtype)
    linear.weight.data, linear.bias.data = W, b
    model = nn.ModuleDict({"layer": linear})
    config = peft.LoraConfig(
        r=case["r"], lora_alpha=case["alpha"], target_modules=["layer"],
        use_rslora=variant == "rslora", use_dora=variant == "dora",
    )  # fmt: skip
    peft.inject_adapter_in_model(config, model)
    model.to(dtype)
    close = {"rtol": DTYPES[dtype], "atol": DTYPES[dtype]}
    torch.testing.assert_close(model["layer"](x), torch.tensor(case["y_without"], dtype=dtype), **close)
    model["layer"].lora_A.default.weight.data, model["layer"].lora_B.default.weight.data = A, B
    expected = torch.tensor(case[key or "y_dora_at_start_magnitude"], dtype=dtype)
    torch.testing.assert_close(model["layer"](x), expected, **close)
    plain = merged(model.state_dict(), model)
    assert plain.keys() == {"layer.weight", "layer.bias"} and plain["layer.weight"].dtype == dtype
    torch.testing.assert_close(nn.functional.linear(x, plain["layer.weight"], plain["layer.bias"]), expected, **close)
    if variant == "plain":
        torch.testing.assert_close(plain["layer.weight"], torch.tensor(case["merged"], dtype=dtype), **close)
    if variant != "dora":
        assert sum(weight.numel() for weight in model.parameters() if weight.requires_grad) == case["trained_numbers"]


# --- what is built and trained ----------------------------------------------------------------------------------------


def start_of(kind: str, folder) -> str:
    model, config, _ = TYPES[kind]
    torch.manual_seed(0)
    model(config(**SIZES)).save_pretrained(folder)
    tokenizer_for(folder)
    return str(folder)


def lora_model(kind: str, folder, seed: int = 1, **settings) -> PairModel:
    chosen = {"lora_rank": 2, "lora_alpha": 6.0, "lora_targets": TYPES[kind][2], **settings}
    return pair_model_from(start_of(kind, folder), seed, SimilarityV0(**chosen))


def step_on(model: PairModel, settings: SimilarityV0 | None = None) -> tuple[dict, dict]:
    """Weights before and after three steps at a high rate."""
    engine = build_engine("torch", model, settings or SimilarityV0(lr=2e-2), "fp32", World(), pair_groups)
    before, batch = engine.full_weights(), pair_batch(TABLE, WEIGHTS, ROWS, PAD, CPU)
    for number in range(1, 4):
        train_step(engine, Step([batch], len(ROWS.rows), 1, number), 1.0, Tricks())
    return before, engine.full_weights()


@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.parametrize("pool", ["cls", "attention"])
def test_only_adapters_and_head_are_trained_and_all_of_them(kind, pool, tmp_path):
    model = lora_model(kind, tmp_path, pool=pool)
    trained = {name for name, weight in model.named_parameters() if weight.requires_grad}
    body = {id(weight) for name, weight in model.classifier.base_model.named_parameters() if "pooler" not in name}
    for name, weight in model.named_parameters():
        assert (name in trained) == (is_adapter(name) or id(weight) not in body), name
    before, after = step_on(model)
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved == trained
    n_per_layer = {"bert": 2, "roberta": 3, "deberta": 4}[kind]  # `dense` is three layers, `output.dense` two of them
    assert sum("lora_A" in name for name in trained) == 2 * n_per_layer


def test_the_start_answers_as_without_adapters_and_follows_from_the_seed(tmp_path):
    place, inputs = start_of("bert", tmp_path), random_inputs()
    plain = pair_model_from(place, 1, SimilarityV0()).eval()
    for variant in VARIANTS:
        model = lora_model("bert", tmp_path, lora_variant=variant).eval()
        torch.testing.assert_close(model(**inputs), plain(**inputs), rtol=0, atol=1e-6)
    states = [lora_model("bert", tmp_path, seed).state_dict() for seed in (1, 1, 2)]
    name = next(name for name in states[0] if "lora_A" in name)
    assert torch.equal(states[0][name], states[1][name]) and not torch.equal(states[0][name], states[2][name])


@pytest.mark.parametrize("rule", ["flat", "thirds", "decay"])
def test_adapters_have_a_rate_of_their_own_under_every_rule(rule, tmp_path):
    model = lora_model("bert", tmp_path)
    groups = pair_groups(model, SimilarityV0(lr=1e-3, lr_groups=rule, lora_lr_factor=4.0, lora_rank=2))
    rates = {name: (group.lr, group.weight_decay) for group in groups for name in group.weights}
    assert {rate for name, rate in rates.items() if is_adapter(name)} == {(4e-3, 0.01)}
    assert {lr for name, (lr, _) in rates.items() if not is_adapter(name)} == {1e-3}


# --- folders ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("pool", ["cls", "mean_and_cls"])
@pytest.mark.parametrize("kind", TYPES)
@pytest.mark.stage
def test_the_saved_folder_is_plain_and_answers_as_the_trained_model(kind, pool, variant, tmp_path):
    model = lora_model(kind, tmp_path / "start", pool=pool, lora_variant=variant, multi_dropout_samples=2)
    plain = pair_model_from(str(tmp_path / "start"), 1, SimilarityV0(pool=pool))
    _, after = step_on(model)
    inputs = random_inputs()
    with torch.no_grad():
        trained = model.eval()(**inputs)
    model.save(tmp_path / "model", after)
    tokenizer_for(tmp_path / "model")
    again, _ = load_classifier(tmp_path / "model")
    assert set(again.state_dict()) == set(plain.classifier.state_dict())
    assert not (tmp_path / "model" / "adapter_config.json").exists()
    torch.testing.assert_close(again(**inputs).logits, trained, rtol=1e-5, atol=1e-5)
    if pool == "cls":
        others = AutoModelForSequenceClassification.from_pretrained(tmp_path / "model").eval()
        torch.testing.assert_close(others(**inputs).logits, trained, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(trained, plain.eval()(**inputs), atol=1e-3), "three steps have moved the answers"


def test_merging_a_model_without_adapters_changes_nothing():
    state = {"bert.weight": torch.ones(2, 2), "classifier.bias": torch.zeros(2)}
    plain = merged(state, nn.Module())
    assert plain.keys() == state.keys() and all(plain[name] is state[name] for name in state)


# --- training and resuming --------------------------------------------------------------------------------------------

CHOSEN = ("lora_rank=2", "lora_alpha=8", "lora_dropout=0.1", "ema_decay=0.5", "fgm_eps=1", "lora_variant=dora")


@pytest.fixture(scope="module")
def started(prepared, tmp_path_factory):
    folder = tmp_path_factory.mktemp("lora")
    write_start(folder, prepared / "demo" / "prepare")
    return folder


def test_a_resumed_run_has_the_bits_of_one_that_was_not_stopped(started, tmp_path):
    whole = pair_run(started, World(), *CHOSEN, dropout=0.1)
    whole.train(6)
    first = pair_run(started, World(), *CHOSEN, dropout=0.1)
    first.train(3)
    state, tensors = first.task.state()
    tmp_path.joinpath("checkpoint").mkdir()
    first.engine.save(tmp_path / "checkpoint")
    second = pair_run(started, World(), *CHOSEN, dropout=0.1)
    second.engine.load(tmp_path / "checkpoint")
    second.task.restore({**state, "step": 3}, tensors)
    second.train(6, first=3)
    ended, resumed = whole.end(), second.end()
    for kind in ("weights", "averaged"):
        assert all(torch.equal(ended[kind][name], resumed[kind][name]) for name in ended[kind])


# --- refused ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["lora_rank=4", "awp_gamma=0.01"], "awp_gamma: 0.01 moves matrices that lora_rank: 4 leaves frozen"),
        (["lora_rank=4", "freeze_layers=1"], "freeze_layers: 1 has no effect with lora_rank: 4"),
        (["lora_rank=4", "freeze_embeddings=true"], "freeze_embeddings: true has no effect with lora_rank: 4"),
        (["lora_rank=4", "reinit_layers=1"], "reinit_layers: 1 would stay random with lora_rank: 4"),
        (["lora_rank=4", "lora_targets=[]"], "lora_targets: [] with lora_rank: 4: name at least one linear layer"),
        (["lora_rank=4", "lora_targets=['']"], "lora_targets: [''] with lora_rank: 4"),
        (["lora_dropout=0.1"], "lora_dropout: 0.1 has no effect with lora_rank: 0"),
        (["lora_variant=dora"], "lora_variant: dora has no effect with lora_rank: 0"),
        (["lora_rank=-1"], "lora_rank"),
        (["lora_rank=4", "lora_alpha=0"], "lora_alpha"),
        (["lora_rank=4", "lora_dropout=1"], "lora_dropout"),
        (["lora_rank=4", "lora_variant=qlora"], "'rslora'"),
    ],
)
def test_combinations_that_cannot_work_have_one_message_each(overrides, said):
    with pytest.raises(RecipeError) as refused:
        load_recipe("demo", [f"similarity_v0.{override}" for override in overrides])
    assert said in str(refused.value) and len(refused.value.problems) == 1


@pytest.mark.parametrize("target", ["query_proj", "quer", "attention", "word_embeddings", "LayerNorm", "classifier"])
def test_a_target_that_is_no_linear_layer_lists_those_that_are(target, tmp_path):
    with pytest.raises(RecipeError) as refused:
        lora_model("bert", tmp_path, lora_targets=["query", target])
    assert (
        f"lora_targets: {target!r} is no linear layer of a bert model, whose layers have query, key, value, dense"
        in str(refused.value)
    )


def test_without_peft_the_message_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    with pytest.raises(EnvironmentProblem, match="lora_rank needs the package peft"):
        lora_model("bert", tmp_path)
    tiny_masked_lm().save_pretrained(tmp_path / "plain")
    pair_model_from(str(tmp_path / "plain"), 1, SimilarityV0())
