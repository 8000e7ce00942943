"""What holds for every pool: golden values, no sight of padding or neighbours, one token, float32 sums under bf16."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from test_v0_export import LONGEST, classifier_folder, texts
from test_v0_model import OPTIONS, tokenizer_for
from tiny_models import tiny_config, tiny_masked_lm
from torch.nn import functional as F
from transformers import BertForSequenceClassification, BertModel
from v1_support import golden

from final_project.errors import ArtifactError, RecipeError
from final_project.model.folder import load_classifier
from final_project.model.heads.classifier import HEAD_FACTS, PooledClassifier
from final_project.model.heads.pools import POOLS, Pool
from final_project.recipe import load_recipe
from final_project.settings import SimilarityV0
from similarity_v0.export.check import torch_scorer
from similarity_v0.export.onnx import onnx_scorer, write_onnx
from similarity_v0.export.transformers_folder import write_transformers
from similarity_v0.losses import PairLoss
from similarity_v0.model import pair_model_from

N_LAYERS, N_PAIRS, N_TOKENS, HIDDEN = 5, 4, 9, 16
LENGTHS = torch.tensor([9, 6, 1, 3])  # one has a single token


def pool_of(name: str, dtype: torch.dtype = torch.float64, hidden: int = HIDDEN) -> Pool:
    torch.manual_seed(0)
    pool = POOLS[name](hidden, N_LAYERS, **OPTIONS.get(name, {}))
    for weight in pool.parameters():
        weight.data.normal_(std=hidden**-0.5)
    return pool.to(dtype)


def states_for(pool: Pool, dtype: torch.dtype = torch.float64) -> tuple[list[torch.Tensor], torch.Tensor, torch.Tensor]:
    """(hidden states of the layers that the pool reads, mask, ids)."""
    generator = torch.Generator().manual_seed(1)
    states = torch.randn(pool.n_layers, N_PAIRS, N_TOKENS, HIDDEN, generator=generator, dtype=torch.float64)
    ids_BT = torch.randint(5, 60, (N_PAIRS, N_TOKENS), generator=generator)
    return [*states.to(dtype)], torch.arange(N_TOKENS) < LENGTHS[:, None], ids_BT


# --- golden values ----------------------------------------------------------------------------------------------------

GOLDEN = {
    "mean": "mean",
    "max": "max",
    "min": "min",
    "mean_max": "mean_max",
    "mean_max_min": "mean_max_min",
    "attention": "attention_house",
    "attention_mlp": "attention_seed",
    "weighted_layers": "weighted_layers_cls_house",
    "weighted_layers_mean": "weighted_layers_mean",
    "last_four": "last_four_cls",
}
"""Pool -> its name in the file."""
TOLERANCE = {torch.float64: 1e-10, torch.float32: 1e-5}


def golden_pool(name: str, given: dict, dtype: torch.dtype) -> Pool:
    """The pool with the file's weights."""
    options = {"layers_from": 1} if name == "weighted_layers_mean" else {}
    pool = POOLS[name](4, 4, **options).to(dtype)
    weights = {
        "attention": {"dense.weight": "dense_weight", "dense.bias": "dense_bias", "score.weight": "score_weight"},
        "attention_mlp": {
            **{"dense.weight": "linear1_weight", "dense.bias": "linear1_bias", "score.weight": "linear2_weight"},
            **{"norm.weight": "norm_weight", "norm.bias": "norm_bias"},
        },
    }.get(name, {})
    source = given.get(GOLDEN[name], given)
    for own, theirs in {**weights, **({"layer_scores": "layer_scores"} if "layers" in name else {})}.items():
        weight = pool.get_parameter(own)
        weight.data.copy_(torch.tensor(source[theirs], dtype=dtype).reshape(weight.shape))
    return pool


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("name", GOLDEN)
def test_a_pool_gives_the_golden_values(name, dtype):
    case = json.loads(golden("essays/pools.json").read_text())
    layers, mask_BT = torch.tensor(case["layers"], dtype=dtype), torch.tensor(case["mask"]).bool()
    pool = golden_pool(name, case["parameters"], dtype)
    states = [*layers[len(layers) - pool.n_layers :].requires_grad_()]
    pooled = pool(states, mask_BT)
    expected = torch.tensor(case["expected"][GOLDEN[name]], dtype=dtype)
    torch.testing.assert_close(pooled, expected, rtol=TOLERANCE[dtype], atol=TOLERANCE[dtype])
    if name == "min":
        wrong = torch.tensor(case["wrong"]["min_with_1e-4_as_the_walk_through"], dtype=dtype)
        assert (pooled - wrong).abs().max() > 1e-4
    if dtype == torch.float64 and (slope := case["gradient_of"].get(GOLDEN[name])):
        factors = torch.arange(1, pooled.numel() + 1, dtype=dtype)
        (found,) = torch.autograd.grad((factors * pooled.flatten()).sum(), states[-1])
        torch.testing.assert_close(found, torch.tensor(slope, dtype=dtype), rtol=0, atol=1e-7)


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_the_two_branches_give_the_golden_values(dtype):
    case = json.loads(golden("heads_and_recall/two_branch_head.json").read_text())

    def tensor(name: str) -> torch.Tensor:
        return torch.tensor(case[name], dtype=dtype)

    pool = POOLS["mean_and_cls"](6, 2, pool_width=4, pool_share=0.5).to(dtype)
    for own, theirs in (("pooler", "pooler"), ("of_mean", "fc1"), ("of_cls", "fc2")):
        layer = pool.get_submodule(own)
        layer.weight.data, layer.bias.data = tensor(f"{theirs}_weight"), tensor(f"{theirs}_bias")
    feature = pool([tensor("hidden_BTH")], torch.tensor(case["mask_BT"]).bool())
    close = {"rtol": TOLERANCE[dtype], "atol": TOLERANCE[dtype]}
    torch.testing.assert_close(feature, tensor("feature_BF"), **close)
    wrong = torch.tensor(case["wrong"]["feature_with_padding_in_the_mean_BF"], dtype=dtype)
    assert (feature - wrong).abs().max() > 1e-3
    labels_B = torch.tensor(case["labels_B"])
    for last, loss, logits, losses in (
        ("classifier", "ce", "logits_BC", "ce_B"),
        ("one", "bce", "one_logit_B", "bce_B"),
    ):
        found = F.linear(feature, tensor(f"{last}_weight"), tensor(f"{last}_bias"))
        torch.testing.assert_close(found, tensor(logits).reshape(found.shape), **close)
        torch.testing.assert_close(PairLoss(loss)(found, labels_B), tensor(losses), **close)


# --- properties of every pool -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", POOLS)
def test_appended_padding_and_longer_neighbours_change_nothing(name):
    for dtype, tolerance in ((torch.float64, 1e-12), (torch.float32, 1e-6)):
        pool = pool_of(name, dtype)
        states, mask_BT, ids_BT = states_for(pool, dtype)
        pooled = pool(states, mask_BT, ids_BT)
        assert pooled.shape == (N_PAIRS, pool.width) and pooled.isfinite().all()
        noise = torch.randn(N_PAIRS, 7, HIDDEN, dtype=dtype) * 100  # what an encoder leaves at padding is anything
        longer = [torch.cat([state, noise], dim=1) for state in states]
        mask, ids = F.pad(mask_BT, (0, 7)), F.pad(ids_BT, (0, 7), value=6)
        torch.testing.assert_close(pool(longer, mask, ids), pooled, rtol=tolerance, atol=tolerance)
        for pair, n_tokens in enumerate(LENGTHS.tolist()):  # alone, without any padding
            alone = [state[pair : pair + 1, :n_tokens] for state in states]
            found = pool(alone, mask_BT[pair : pair + 1, :n_tokens], ids_BT[pair : pair + 1, :n_tokens])
            torch.testing.assert_close(found[0], pooled[pair], rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("name", POOLS)
def test_what_stands_at_padding_changes_no_bit_at_one_shape(name):
    pool = pool_of(name, torch.float32)
    states, mask_BT, ids_BT = states_for(pool, torch.float32)
    other = [state.masked_fill(~mask_BT[..., None], 7.0) for state in states]
    assert torch.equal(pool(other, mask_BT, ids_BT.masked_fill(~mask_BT, 6)), pool(states, mask_BT, ids_BT))


@pytest.mark.parametrize("name", ["mean", "max", "min", "mean_max", "mean_max_min", "attention", "attention_mlp"])
def test_the_order_of_tokens_matters_to_no_pool_over_them(name):
    pool = pool_of(name)
    states, mask_BT, _ = states_for(pool)
    order = torch.tensor([5, 3, 0, 4, 1, 2, 6, 7, 8])
    torch.testing.assert_close(
        pool([state[:1, order] for state in states], mask_BT[:1]), pool([state[:1] for state in states], mask_BT[:1])
    )


@pytest.mark.parametrize("name", POOLS)
def test_sums_under_bf16_are_taken_in_float32(name):
    """1,500 tokens, a number that bf16 has not. A pool may be off by the rounding of its answer (2^-8), and of its own
    matrix products, but not by that of a sum or a count."""
    pool = pool_of(name, torch.float32)
    generator = torch.Generator().manual_seed(2)
    states = [(3 + torch.randn(2, 1500, HIDDEN, generator=generator)).to(torch.bfloat16) for _ in range(pool.n_layers)]
    ids_BT, mask_BT = torch.randint(5, 60, (2, 1500), generator=generator), torch.ones(2, 1500, dtype=torch.bool)
    exact = pool_of(name)([state.double() for state in states], mask_BT, ids_BT)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = pool(states, mask_BT, ids_BT)
    assert found.dtype == torch.bfloat16
    has_products = any(weight.ndim > 1 for weight in pool.parameters())
    torch.testing.assert_close(found.double(), exact, rtol=2**-8, atol=0.02 * has_products)
    half = pool_of(name, torch.bfloat16)(states, mask_BT, ids_BT)  # a model whose own weights are in 16 bits
    torch.testing.assert_close(half.double(), exact, rtol=2**-6, atol=0.05)


# --- folders and settings ---------------------------------------------------------------------------------------------


def test_mean_and_cls_starts_from_the_encoders_pooler(tmp_path):
    start = BertForSequenceClassification(tiny_config())
    start.bert.pooler.dense.bias.data.normal_()
    start.save_pretrained(tmp_path)
    model = pair_model_from(str(tmp_path), 3, SimilarityV0(pool="mean_and_cls"))
    assert torch.equal(model.pool.pooler.weight, start.bert.pooler.dense.weight)
    assert torch.equal(model.pool.pooler.bias, start.bert.pooler.dense.bias)
    assert model.output_layer.in_features == 128 and model.classifier.base_model.pooler is None


def test_an_encoder_without_a_pooler_gets_a_drawn_one():
    model = PooledClassifier(
        BertModel(tiny_config(), add_pooling_layer=False), "mean_and_cls", 2, 0.0, OPTIONS["mean_and_cls"]
    )
    assert model.pool.pooler.weight.std().item() == pytest.approx(0.02, rel=0.2)


def test_layers_below_the_embeddings_or_above_the_encoder_are_refused(tmp_path):
    tiny_masked_lm().save_pretrained(tmp_path)
    with pytest.raises(ArtifactError, match="layers_from 3: the encoder has 2 layers"):
        pair_model_from(str(tmp_path), 1, SimilarityV0(pool="weighted_layers_mean", layers_from=3))
    top = pair_model_from(str(tmp_path), 1, SimilarityV0(pool="weighted_layers_mean", layers_from=2))
    assert top.pool.n_layers == 1
    assert (
        pair_model_from(str(tmp_path), 1, SimilarityV0(pool="weighted_layers_mean", layers_from=0)).pool.n_layers == 3
    )


def test_a_tokenizer_without_line_breaks_has_no_paragraphs(tmp_path):
    tiny_masked_lm().save_pretrained(tmp_path)
    tokenizer_for(tmp_path)
    with pytest.raises(ArtifactError, match=r"span paragraph: no token of this tokenizer ends in one of '\[BR\]'"):
        pair_model_from(str(tmp_path), 1, SimilarityV0(pool="spans", span="paragraph"))
    ends = pair_model_from(str(tmp_path), 1, SimilarityV0(pool="spans")).pool.span_ends
    assert len(ends) == 2, "the full stop and the separator"


@pytest.mark.parametrize(
    ("pool", "changes"),
    [
        ("weighted_layers_mean", {"layers_from": 9}),
        ("weighted_layers_mean", {"layers_from": "two"}),
        ("weighted_layers_mean", {"layers_from": None}),
        ("mean_and_cls", {"pool_width": 0}),
        ("mean_and_cls", {"pool_share": "half"}),
        ("spans", {"span_ends": []}),
        ("spans", {"span_ends": ["。"]}),
    ],
)
def test_a_head_json_whose_pool_cannot_be_built_is_refused_with_its_name(pool, changes, tmp_path):
    encoder = BertModel(tiny_config(num_hidden_layers=N_LAYERS))
    PooledClassifier(encoder, pool, 2, 0.0, OPTIONS[pool]).save_pretrained(tmp_path)
    tokenizer_for(tmp_path)
    facts = json.loads((tmp_path / HEAD_FACTS).read_text())
    (tmp_path / HEAD_FACTS).write_text(json.dumps({**facts, **changes}))
    with pytest.raises(ArtifactError, match=r"head\.json: the pool"):
        load_classifier(tmp_path)
    (tmp_path / HEAD_FACTS).write_text(json.dumps({"pool": pool, "n_outputs": 2, "dropout": 0.0}))
    with pytest.raises(ArtifactError, match=r"head\.json: expected a pool"):
        load_classifier(tmp_path)


def test_a_head_json_of_another_size_names_the_weight_and_both_shapes(tmp_path):
    encoder = BertModel(tiny_config())
    PooledClassifier(encoder, "mean_and_cls", 2, 0.0, OPTIONS["mean_and_cls"]).save_pretrained(tmp_path)
    tokenizer_for(tmp_path)
    facts = json.loads((tmp_path / HEAD_FACTS).read_text())
    (tmp_path / HEAD_FACTS).write_text(json.dumps({**facts, "pool_width": 4}))
    said = r"head\.safetensors: .*classifier\.weight has the shape \[2, 3\], by head\.json \[2, 4\]"
    with pytest.raises(ArtifactError, match=said):
        load_classifier(tmp_path)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["layers_from=4"], "layers_from: 4 has no effect with pool: cls; it belongs to pool weighted_layers_mean"),
        (
            ["pool=mean", "pool_width=64"],
            "pool_width: 64 has no effect with pool: mean; it belongs to pool mean_and_cls",
        ),
        (["pool=mean", "span=paragraph"], "span: paragraph has no effect with pool: mean; it belongs to pool spans"),
        (["pool=mean_and_cls", "pool_share=1"], "pool_share"),
        (["pool=weighted_layers_mean", "layers_from=-1"], "layers_from"),
        (["pool=meanmax"], "'mean_max'"),
    ],
)
def test_options_of_another_pool_are_refused(overrides, said):
    with pytest.raises(RecipeError) as refused:
        load_recipe("demo", [f"similarity_v0.{override}" for override in overrides])
    assert said in str(refused.value)


def test_today_s_pools_write_today_s_head_json(tmp_path):
    PooledClassifier(BertModel(tiny_config()), "mean", 2, 0.1).save_pretrained(tmp_path)
    assert json.loads((tmp_path / HEAD_FACTS).read_text()) == {"pool": "mean", "n_outputs": 2, "dropout": 0.1}


def test_a_run_of_marks_ends_one_span():
    pool = pool_of("spans")
    ids = torch.tensor([[30, 31, 6, 7, 32, 33, 8, 34]])
    same = torch.tensor([[30, 31, 6, 7, 40, 41, 8, 34]])
    states = torch.randn(1, 8, HIDDEN, dtype=torch.float64)
    mask = torch.ones(1, 8, dtype=torch.bool)
    means = np.stack([states[0, a:b].mean(0).numpy() for a, b in ((0, 4), (4, 7), (7, 8))])
    scores = pool.score(torch.tanh(pool.dense(torch.tensor(means))))[:, 0].softmax(0).detach().numpy()
    np.testing.assert_allclose(pool([states], mask, ids)[0].detach().numpy(), scores @ means, atol=1e-12)
    assert torch.equal(pool([states], mask, ids), pool([states], mask, same))


@pytest.mark.stage
@pytest.mark.parametrize(
    "name",
    [name if name in ("mean_and_cls", "spans") else pytest.param(name, marks=pytest.mark.thorough) for name in POOLS],
)
def test_a_pool_is_exported_to_onnx_and_refused_where_it_would_be_lost(name, tmp_path):
    folder = classifier_folder(tmp_path, pool=name, n_layers=4)
    classifier, tokenizer = load_classifier(folder)
    with pytest.raises(ArtifactError, match=f"would lose its {name} pool: export onnx or int8"):
        write_transformers(classifier, tmp_path, LONGEST)
    (tmp_path / "onnx").mkdir()
    write_onnx(classifier, tmp_path / "onnx", LONGEST)
    inputs = dict(tokenizer([*texts()], truncation=True, padding=True, return_tensors="pt"))
    for rows in (slice(None), slice(0, 1)):
        some = {key: value[rows] for key, value in inputs.items()}
        expected = torch_scorer(folder)(some)
        assert np.abs(onnx_scorer(tmp_path / "onnx")(some) - expected).max() < 1e-5
