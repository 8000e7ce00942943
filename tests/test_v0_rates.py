"""Rates and starts: golden groups and schedule, the floor, the head's decay, layers drawn anew, dropout, and when
attacks begin."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from test_v0_model import ROWS, TABLE, both_forms
from tiny_models import tiny_classifier, tiny_config, tiny_masked_lm, tiny_tokenizer
from transformers import (
    AlbertConfig,
    AlbertModel,
    AutoModel,
    BertConfig,
    BertForSequenceClassification,
    BertModel,
    DebertaV2Config,
    DebertaV2ForSequenceClassification,
    DebertaV2Model,
    FNetConfig,
    FNetModel,
    RobertaConfig,
    RobertaForSequenceClassification,
)
from v1_support import golden

from final_project.errors import ArtifactError, RecipeError
from final_project.model.encoder_dropout import dropout_options
from final_project.model.fresh_layers import draw_top_layers
from final_project.model.heads.classifier import PooledClassifier
from final_project.parallel.world import World
from final_project.recipe import load_recipe
from final_project.settings import SimilarityV0
from final_project.tokens.token_table import TokenTable
from final_project.training.batching import MicroBatch
from final_project.training.engines import build_engine
from final_project.training.optim import lr_factor, optimizer_groups, set_lr
from similarity_v0.model import PairModel, pair_model_from
from similarity_v0.pair_weights import balanced, pair_weights
from similarity_v0.param_groups import pair_groups
from similarity_v0.train_step import Step, train_step
from similarity_v0.tricks.attack import NO_ATTACK
from similarity_v0.tricks.chosen import build_tricks

# --- layer-wise decay -------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Base:
    """A golden encoder: its class and size, and the pool that the file's figures have."""

    model: type
    config: object
    pool: str


BASES = {
    "bert_base": Base(BertModel, BertConfig(vocab_size=30522), "mean"),
    "deberta_v3_base": Base(
        DebertaV2Model,
        DebertaV2Config(
            vocab_size=128100, hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072,
            type_vocab_size=0, relative_attention=True, position_buckets=256, norm_rel_ebd="layer_norm",
            share_att_key=True, pos_att_type=["p2c", "c2p"], position_biased_input=False,
        ),
        "attention_mlp",
    ),
}  # fmt: skip
SCORE_BIAS = 1  # the published pool has a bias that softmax cancels; ours has none


def large_model(base: Base, n_outputs: int) -> PairModel:
    with torch.device("meta"):
        return PairModel(PooledClassifier(base.model(base.config), base.pool, n_outputs, 0.0))


@pytest.mark.parametrize("name", BASES)
def test_decay_gives_the_golden_rate_to_every_weight_of_twelve_layers(name):
    case = json.loads(golden("essays/llrd_12_layers.json").read_text())[name]["house_decay_lr_5e-5_d_0.9"]
    settings = SimilarityV0(lr=5e-5, lr_groups="decay", lr_decay=0.9, weight_decay=0.01)
    model = large_model(BASES[name], 6)
    found: dict[tuple[float, float], list[int]] = {}
    for group in optimizer_groups(model, pair_groups(model, settings)):  # which refuses a weight in no group or in two
        sizes = found.setdefault((round(group["peak_lr"] * 1e9), group["weight_decay"]), [0, 0])
        sizes[0] += len(group["params"])
        sizes[1] += sum(weight.numel() for weight in group["params"])
    expected: dict[tuple[float, float], list[int]] = {}
    embeddings_lr = case[0]["lr"]
    for group in case:  # what feeds every layer goes with the embeddings, where the file has it at lr
        rate = embeddings_lr if group["group"] == "encoder" else group["lr"]
        sizes = expected.setdefault((round(rate * 1e9), group["weight_decay"]), [0, 0])
        is_score_bias = group["group"] == "pool" and group["weight_decay"] == 0
        sizes[0] += group["tensors"] - SCORE_BIAS * is_score_bias
        sizes[1] += group["numbers"] - SCORE_BIAS * is_score_bias
    assert found == expected


def test_what_the_walk_through_left_out_has_the_rate_of_the_embeddings():
    case = json.loads(golden("essays/llrd_12_layers.json").read_text())
    model = large_model(BASES["deberta_v3_base"], 6)
    settings = SimilarityV0(lr=5e-5, lr_groups="decay", lr_decay=0.9)
    left_out = case["deberta_v3_base"]["left_out_by_the_walk_through"]["names"]
    rates = {name: group.lr for group in pair_groups(model, settings) for name in group.weights}
    assert [rates[f"classifier.encoder.{name}"] for name in left_out] == pytest.approx(
        [5e-5 * case["factors_d_0_9"]["embeddings"]] * len(left_out)
    )


@pytest.mark.parametrize("rule", ["flat", "thirds", "decay"])
@pytest.mark.parametrize("pool", ["cls", "attention_mlp"])
def test_the_head_has_a_decay_of_its_own(rule, pool):
    torch.manual_seed(0)
    encoder = BertModel(tiny_config(num_hidden_layers=3))
    model = PairModel(tiny_classifier() if pool == "cls" else PooledClassifier(encoder, pool, 2, 0.0))
    plain = pair_groups(model, SimilarityV0(lr_groups=rule))
    assert pair_groups(model, SimilarityV0(lr_groups=rule, head_weight_decay=0.01)) == plain
    groups = pair_groups(model, SimilarityV0(lr_groups=rule, head_weight_decay=0.0))
    optimizer_groups(model, groups)
    shapes = dict(model.named_parameters())
    in_encoder = {id(weight) for name, weight in model.classifier.base_model.named_parameters() if "pooler" not in name}
    for group in groups:
        for name in group.weights:
            is_body = id(shapes[name]) in in_encoder and shapes[name].ndim > 1
            assert group.weight_decay == (0.01 if is_body else 0.0), name


# --- the schedule -----------------------------------------------------------------------------------------------------


def rate_after(done: int, total: int, **settings) -> float:
    chosen = SimilarityV0(**settings)
    optimizer = torch.optim.SGD([{"params": [torch.zeros(1)], "peak_lr": chosen.lr}], lr=chosen.lr)
    logged = set_lr(optimizer, done, total, chosen)
    assert optimizer.param_groups[0]["lr"] == logged
    return logged


def test_the_cosine_course_is_the_golden_one():
    case = json.loads(golden("essays/schedule.json").read_text())
    for point in case["expected"]:
        found = rate_after(point["updates_done"], case["total"], lr=case["peak"], schedule="cosine", warmup_frac=0.0)
        assert found == pytest.approx(point["lr"], rel=1e-10, abs=1e-20)


@pytest.mark.parametrize("schedule", ["linear", "cosine", "polynomial"])
def test_the_rate_ends_at_its_floor_and_never_falls_below(schedule):
    rates = [rate_after(done, 40, lr=1e-3, lr_floor=0.05, schedule=schedule, warmup_frac=0.1) for done in range(41)]
    course = [lr_factor(done, 40, 0.1, schedule, 2.0) for done in range(41)]
    assert rates == pytest.approx([1e-3 * (0.05 + 0.95 * share) for share in course], rel=1e-12)
    assert max(rates) == pytest.approx(1e-3) and rates[-1] == min(rates) == pytest.approx(5e-5)


@pytest.mark.parametrize("schedule", ["linear", "cosine", "polynomial", "constant"])
def test_a_floor_of_zero_changes_no_bit(schedule):
    for done in range(38):
        expected = 7e-4 * lr_factor(done, 37, 0.06, schedule, 2.0)
        assert rate_after(done, 37, lr=7e-4, schedule=schedule) == expected


# --- layers drawn anew ------------------------------------------------------------------------------------------------

SMALL = {"vocab_size": 60, "hidden_size": 64, "num_attention_heads": 2, "intermediate_size": 96}
ENCODERS = {
    "bert": lambda: BertForSequenceClassification(tiny_config(**SMALL, num_hidden_layers=3)),
    "roberta": lambda: RobertaForSequenceClassification(RobertaConfig(**SMALL, num_hidden_layers=3)),
    "deberta": lambda: DebertaV2ForSequenceClassification(DebertaV2Config(**SMALL, num_hidden_layers=3)),
}


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("n_layers", [0, 1, 2, 3])
def test_exactly_the_top_layers_and_the_pooler_are_drawn_anew(name, n_layers):
    torch.manual_seed(0)
    model = ENCODERS[name]()
    for weight in model.parameters():
        weight.data.normal_(1.0, 0.5)  # as no rule draws any
    before = {key: value.clone() for key, value in model.base_model.state_dict().items()}
    state = torch.get_rng_state()
    draw_top_layers(model.base_model, n_layers, seed=5)
    assert torch.equal(torch.get_rng_state(), state)
    after = model.base_model.state_dict()
    moved = {key for key in before if not torch.equal(before[key], after[key])}
    tops = [f"layer.{number}." for number in range(3 - n_layers, 3)]
    fresh = {key for key in before if any(top in key for top in tops) or (n_layers and key.startswith("pooler."))}
    assert moved == fresh
    matrices = [after[key].flatten() for key in fresh if after[key].ndim > 1]
    if n_layers:
        assert torch.cat(matrices).std().item() == pytest.approx(model.config.initializer_range, rel=0.02)
        assert all(abs(matrix.mean()) < 5 * 0.02 / len(matrix) ** 0.5 for matrix in matrices)
    for key in fresh:
        if after[key].ndim == 1:
            assert (after[key] == (1.0 if key.endswith("LayerNorm.weight") else 0.0)).all(), key


def test_the_draw_follows_from_the_seed_and_is_not_the_heads(tmp_path):
    tiny_masked_lm(num_hidden_layers=3).save_pretrained(tmp_path)

    def model(seed: int, **settings) -> PairModel:
        return pair_model_from(str(tmp_path), seed, SimilarityV0(**settings))

    def top(model: PairModel) -> torch.Tensor:
        return model.layers[-1].attention.self.query.weight

    one, again, other = model(1, reinit_layers=2), model(1, reinit_layers=2), model(2, reinit_layers=2)
    assert torch.equal(top(one), top(again)) and not torch.equal(top(one), top(other))
    plain = model(1)
    assert torch.equal(one.output_layer.weight, plain.output_layer.weight), "the head is drawn as without"
    assert not torch.equal(top(one).flatten()[:32], plain.output_layer.weight.flatten())
    pooled = model(1, reinit_layers=1, pool="mean_and_cls")
    assert not torch.equal(pooled.pool.pooler.weight, model(1, pool="mean_and_cls").pool.pooler.weight)


def test_layers_that_cannot_be_drawn_anew_are_refused(tmp_path):
    with pytest.raises(ArtifactError, match="reinit_layers 3: the encoder has 2 layers"):
        draw_top_layers(BertModel(tiny_config()), 3, 1)
    albert = AlbertModel(AlbertConfig(**SMALL, embedding_size=16, num_hidden_layers=4))
    with pytest.raises(ArtifactError, match=r"the encoder \(albert\) has 0 layer modules for its 4 layers"):
        draw_top_layers(albert, 1, 1)
    bert = BertModel(tiny_config())
    bert.encoder.layer[1].attention.self.query.register_parameter("gate", torch.nn.Parameter(torch.ones(2)))
    bert.encoder.layer[1].attention.self.query.__class__ = torch.nn.Module
    with pytest.raises(ArtifactError, match="has no rule to be drawn anew"):
        draw_top_layers(bert, 1, 1)
    tiny_masked_lm().save_pretrained(tmp_path)
    with pytest.raises(ArtifactError, match="reinit_layers 1 and freeze_layers 2: the encoder has 2 layers"):
        pair_model_from(str(tmp_path), 1, SimilarityV0(reinit_layers=1, freeze_layers=2))


# --- dropout ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("pool", ["cls", "mean"])
def test_the_encoders_dropout_is_the_recipes(name, pool, tmp_path):
    ENCODERS[name]().save_pretrained(tmp_path)
    for share in (None, 0.0, 0.3):
        model = pair_model_from(str(tmp_path), 1, SimilarityV0(pool=pool, encoder_dropout=share, head_dropout=0.2))
        body = [model.embeddings, *model.layers]
        found = {part.p for block in body for part in block.modules() if isinstance(part, torch.nn.Dropout)}
        own = AutoModel.from_pretrained(tmp_path).config.hidden_dropout_prob
        assert found == {own if share is None else share}
        assert next(part.p for part in [model.classifier.dropout if pool == "mean" else model._head.dropout]) == 0.2


def test_an_encoder_without_dropout_in_its_configuration_is_refused(tmp_path):
    FNetModel(FNetConfig(vocab_size=60, hidden_size=16, num_hidden_layers=1, intermediate_size=32)).save_pretrained(
        tmp_path
    )
    assert dropout_options(str(tmp_path), 0.1) == {"hidden_dropout_prob": 0.1}
    config = json.loads((tmp_path / "config.json").read_text())
    bare = {"model_type": "bit", "architectures": [], "transformers_version": config["transformers_version"]}
    (tmp_path / "config.json").write_text(json.dumps(bare))
    with pytest.raises(ArtifactError, match=r"encoder_dropout 0\.1: a bit model has no dropout to set"):
        dropout_options(str(tmp_path), 0.1)
    with pytest.raises(ArtifactError, match="the model cannot be loaded"):
        dropout_options(str(tmp_path / "nothing"), 0.1)


# --- attacks that begin later, flooding, class weights ----------------------------------------------------------------


def tricks_of(**settings):
    model = PairModel(tiny_classifier())
    engine = build_engine("torch", model, SimilarityV0(), "fp32", World())
    return build_tricks(SimilarityV0(**settings), model, engine, n_updates=20)


@pytest.mark.parametrize("attack", ["fgm_eps", "pgd_eps", "freelb_eps", "awp_gamma"])
def test_attacks_begin_after_their_share_of_the_updates(attack):
    tricks = tricks_of(**{attack: 0.5}, attack_from=0.25, r_drop=1.0)
    calm, attacked = tricks.at(5), tricks.at(6)
    assert calm.attack is NO_ATTACK and calm.weight_attack is None and calm.r_drop == 1.0
    assert attacked.attack is not NO_ATTACK or attacked.weight_attack is not None
    assert calm.n_passes == 2.0 < attacked.n_passes
    from_the_start = tricks_of(**{attack: 0.5})
    assert from_the_start.at(1) is from_the_start


def weights_after(step_number: int, **settings) -> dict[str, torch.Tensor]:
    model = PairModel(tiny_classifier())
    engine = build_engine("torch", model, SimilarityV0(lr=1e-2), "fp32", World())
    tricks = build_tricks(SimilarityV0(**settings), model, engine, n_updates=10)
    train_step(engine, Step([both_forms(model)[0]], len(ROWS.rows), 1, step_number), 1.0, tricks)
    return engine.full_weights()


def test_before_it_begins_an_attack_changes_no_bit_of_a_step():
    clean, calm = weights_after(5), weights_after(5, fgm_eps=1.0, attack_from=0.5)
    assert all(torch.equal(clean[name], calm[name]) for name in clean)
    assert any(not torch.equal(clean[name], value) for name, value in weights_after(6, fgm_eps=1.0).items())
    late, early = weights_after(6, fgm_eps=1.0, attack_from=0.5), weights_after(6, fgm_eps=1.0)
    assert all(torch.equal(late[name], early[name]) for name in late)


def test_flooding_takes_the_golden_sign_of_the_whole_steps_loss():
    case = json.loads(golden("heads_and_recall/auxiliary_loss.json").read_text())["flooding"]
    mean = case["mean_loss"]
    for level, sign in ((case["b"], case["gradient_sign"]), (case["b_above"], case["gradient_sign_above"])):
        loss = torch.tensor(mean, dtype=torch.float64, requires_grad=True)
        flooded = (loss - level).abs() + level
        (slope,) = torch.autograd.grad(flooded, loss)
        assert slope.item() == sign == (-1.0 if mean < level else 1.0)


def step_gradients(monkeypatch, batches: int, **settings) -> tuple[float, dict[str, torch.Tensor]]:
    """(the step's loss, the gradients that the update is given) of one step in this many micro-batches."""
    model = PairModel(tiny_classifier().double())
    engine = build_engine("torch", model, SimilarityV0(), "fp32", World())
    taken: dict[str, torch.Tensor] = {}

    def update(max_grad_norm: float) -> float:
        taken.update(
            {name: weight.grad.clone() for name, weight in engine.trained().items() if weight.grad is not None}
        )
        return 1.0

    monkeypatch.setattr(engine, "_update", update)
    parts = [MicroBatch(rows, index) for index, rows in enumerate(np.array_split(ROWS.rows, batches))]
    tricks = build_tricks(SimilarityV0(**settings), model, engine, n_updates=10)
    figures = train_step(
        engine, Step([both_forms(model, part)[0] for part in parts], len(ROWS.rows), 1, 1), 0.0, tricks
    )
    return figures["loss"], taken


@pytest.mark.parametrize("batches", [1, 3])
def test_flooding_reverses_a_step_below_its_level_and_only_that(batches, monkeypatch):
    loss, plain = step_gradients(monkeypatch, batches)
    for level, sign in ((loss * 0.99, 1.0), (loss, 1.0), (loss * 1.01, -1.0)):  # at the level itself: as without
        flooded_loss, flooded = step_gradients(monkeypatch, batches, flood=level)
        assert flooded_loss == loss
        assert plain and all(torch.equal(flooded[name], sign * plain[name]) for name in plain), level


def test_balanced_classes_weigh_as_scikit_learns_and_their_mean_is_one():
    from sklearn.utils.class_weight import compute_sample_weight

    labels = np.array([1, 0, 0, 0, 1, 0, 0], dtype=np.int8)
    tables = {"train": TokenTable(TABLE.ids, TABLE.types, TABLE.offsets, labels)}
    rows = np.array([0, 1, 2, 3, 5, 6])
    plain = pair_weights("equal", tables, rows, None)
    assert plain.dtype == np.float32 and (plain == 1).all()
    found = pair_weights("equal", tables, rows, None, "balanced")
    np.testing.assert_allclose(found, compute_sample_weight("balanced", labels[rows]), rtol=1e-6)
    assert found.mean() == pytest.approx(1.0)
    one_label = pair_weights("equal", tables, np.array([1, 2, 3]), None, "balanced")
    assert (one_label == 1).all(), "where only one label is there, nothing is to be balanced"


def test_balanced_classes_multiply_the_weights_of_pairs():
    vocab = tiny_tokenizer("character")
    tables = {"train": TABLE, "dev": TABLE}
    rows = np.arange(len(TABLE))
    like, both = (pair_weights("like_dev", tables, rows, vocab, kind) for kind in ("", "balanced"))
    product = like.astype(float) * balanced(TABLE.labels)
    np.testing.assert_allclose(both, product / product.mean(), rtol=1e-6)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["attack_from=0.5"], "attack_from: 0.5 has no effect without an attack; set one of fgm_eps, pgd_eps"),
        (["attack_from=1", "fgm_eps=1"], "attack_from"),
        (["schedule=constant", "lr_floor=0.1"], "lr_floor: 0.1 has no effect with schedule: constant"),
        (["lr_floor=1.5"], "lr_floor"),
        (["head_weight_decay=-1"], "head_weight_decay"),
        (["encoder_dropout=1"], "encoder_dropout"),
        (["reinit_layers=-1"], "reinit_layers"),
        (["flood=-0.1"], "flood"),
        (["class_weights=even"], "'balanced'"),
        (["flood=0.1", "engine=deepspeed", "offload_optimizer=true"], "flood: 0.1 reverses gradients on the device"),
    ],
)
def test_settings_that_cannot_work_are_refused(overrides, said):
    with pytest.raises(RecipeError) as refused:
        load_recipe("demo", [f"similarity_v0.{override}" for override in overrides])
    assert said in str(refused.value)
