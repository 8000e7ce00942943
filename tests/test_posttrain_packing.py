"""Rows packed into lines are computed as if each stood alone."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import TINY, stage
from safetensors.torch import load_file
from tiny_models import tiny_config, tiny_masked_lm
from torch.nn import functional as F
from transformers import AutoConfig, AutoModelForMaskedLM, BertForMaskedLM, DistilBertConfig, DistilBertForMaskedLM

from final_project.errors import ArtifactError
from final_project.parallel.world import World
from final_project.recipe import load_recipe
from final_project.run.stage_folder import StageFolder
from final_project.tokens.packing import block_mask, fill_lines, first_position_of, pack_rows
from final_project.tokens.token_table import TokenRows, pad_rows
from posttrain.fit import fit
from posttrain.model import MaskedLm

CPU = torch.device("cpu")
SIZES = {"vocab_size": 60, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2}
SIZES |= {"intermediate_size": 32, "type_vocab_size": 2}
SIZES |= {"hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0, "max_position_embeddings": 32}
FAMILIES = {"bert": 0, "ernie": 0, "roberta": 1, "xlm-roberta": 1, "camembert": 1}


def random_rows(n_rows: int = 23, longest: int = 24, seed: int = 0) -> TokenRows:
    """Rows of different lengths, the later part of each a second segment."""
    rng = np.random.default_rng(seed)
    lengths = rng.integers(3, longest + 1, n_rows)
    lengths[0] = longest
    types = np.concatenate([np.arange(n) >= n // 2 for n in lengths]).astype(np.int64)
    numbers = np.arange(n_rows)
    return TokenRows(numbers, lengths, numbers * 0 - 1, rng.integers(5, 60, lengths.sum()), types, None)


def tiny_model(kind: str, pad_token_id: int):
    torch.manual_seed(0)
    config = AutoConfig.for_model(kind, **SIZES, pad_token_id=pad_token_id)
    return AutoModelForMaskedLM.from_config(config).eval()


def loss_and_gradients(model, inputs, masked, targets):
    model.zero_grad()
    logits = MaskedLm(model)(**inputs, masked_M=torch.from_numpy(masked))
    loss = F.cross_entropy(logits, torch.from_numpy(targets), reduction="sum") / len(targets)
    loss.backward()
    gradients = {name: weight.grad.clone() for name, weight in model.named_parameters() if weight.grad is not None}
    return logits.detach(), loss.detach(), gradients


@pytest.mark.parametrize("kind", FAMILIES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32], ids=["float64", "float32"])
def test_packed_rows_have_the_loss_and_the_gradients_of_separate_ones(kind, dtype):
    pad_id = FAMILIES[kind]
    model = tiny_model(kind, pad_id).to(dtype)
    rows = random_rows()
    positions = np.flatnonzero(np.random.default_rng(1).random(len(rows.ids_N)) < 0.3)
    targets = rows.ids_N[positions]
    padded = pad_rows(rows, pad_id, CPU)
    longest = padded["input_ids"].shape[1]
    apart = loss_and_gradients(model, padded, rows.row_N[positions] * longest + rows.place_N[positions], targets)
    # lines longer than the positions reach: positions start again in every row
    packed = pack_rows(rows, 64, pad_id, first_position_of(model.config))
    assert 1 < len(packed.inputs["input_ids"]) < len(rows.lengths_B)
    together = loss_and_gradients(model, packed.inputs, packed.slots_N[positions], targets)
    tolerance = {"rtol": 0, "atol": 1e-6 if dtype == torch.float32 else 1e-12}
    torch.testing.assert_close(together[:2], apart[:2], **tolerance)
    assert together[2].keys() == apart[2].keys() and len(apart[2]) > 10
    for name, gradient in apart[2].items():
        assert torch.allclose(together[2][name], gradient, **tolerance), name


def test_a_row_in_a_line_sees_no_token_of_its_neighbours():
    model = tiny_masked_lm().double().eval()
    rows = random_rows()
    changed = rows.ids_N.copy()
    changed[rows.row_N == 3] = 7
    hidden = []
    for ids in (rows.ids_N, changed):
        fresh = TokenRows(rows.numbers_B, rows.lengths_B, rows.labels_B, ids, rows.types_N, None)
        packed = pack_rows(fresh, 48, 0)
        mask = block_mask(packed.inputs["attention_mask"], torch.float64)
        hidden.append(model.bert(**{**packed.inputs, "attention_mask": mask}).last_hidden_state.flatten(0, 1))
    others = packed.slots_N[rows.row_N != 3]
    assert torch.equal(hidden[0][others], hidden[1][others])
    assert not torch.allclose(hidden[0][packed.slots_N[rows.row_N == 3]], hidden[1][packed.slots_N[rows.row_N == 3]])


def test_the_first_token_of_each_row_can_be_gathered():
    rows = random_rows()
    packed = pack_rows(rows, 40, 0)
    first = packed.inputs["input_ids"].flatten()[packed.cls_positions_B]
    assert first.tolist() == rows.ids_N[rows.starts_B].tolist()
    assert packed.inputs["position_ids"].flatten()[packed.cls_positions_B].tolist() == [0] * len(first)


def test_every_token_has_a_place_of_its_own_and_the_rest_is_padding():
    rows = random_rows()
    packed = pack_rows(rows, 40, 0)
    assert len(set(packed.slots_N.tolist())) == len(rows.ids_N)
    empty = np.setdiff1d(np.arange(packed.inputs["input_ids"].numel()), packed.slots_N)
    for tensor in packed.inputs.values():
        assert not tensor.flatten()[empty].any()
    for line in packed.inputs["attention_mask"]:
        assert set(line[line > 0].tolist()) == set(range(1, int(line.max()) + 1))


def test_mixed_precision_keeps_rows_apart_and_padding_finite():
    model = MaskedLm(tiny_masked_lm().eval())
    rows = random_rows()
    packed = pack_rows(rows, 64, 0)
    with torch.autocast("cpu", torch.bfloat16):
        hidden = model(**packed.inputs, masked_M=torch.arange(packed.inputs["input_ids"].numel()))
        padded = pad_rows(rows, 0, CPU)
        places = torch.from_numpy(rows.row_N * padded["input_ids"].shape[1] + rows.place_N)
        apart = model(**padded, masked_M=places)
    assert torch.isfinite(hidden).all()
    torch.testing.assert_close(hidden[packed.slots_N], apart, rtol=0, atol=0.02)


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16])
def test_what_the_mask_forbids_has_no_weight_in_any_type(dtype):
    mask = block_mask(torch.tensor([[1, 1, 2, 0]]), dtype)
    assert mask.shape == (1, 1, 4, 4) and mask.dtype == dtype and torch.isfinite(mask).all()
    weights = torch.softmax(mask.float(), dim=-1)[0, 0]
    assert weights.tolist() == [[0.5, 0.5, 0, 0], [0.5, 0.5, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]]


def test_lines_are_filled_well_and_no_row_is_cut():
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.normal(25, 8, 256).astype(int), 6, 64)
    lines, starts = fill_lines(lengths, 128)
    for line in range(lines.max() + 1):
        spans = sorted((int(starts[row]), int(starts[row] + lengths[row])) for row in np.flatnonzero(lines == line))
        assert spans[-1][1] <= 128
        assert all(end == begin for (_, end), (begin, _) in itertools.pairwise(spans))
    assert lengths.sum() / ((lines.max() + 1) * 128) > 0.97


def test_filling_again_the_rows_of_some_lines_gives_those_lines():
    lengths = np.random.default_rng(3).integers(3, 60, 200)
    lines, starts = fill_lines(lengths, 100)
    chosen = np.flatnonzero((lines >= 4) & (lines < 9))
    again, starts_again = fill_lines(lengths[chosen], 100)
    assert (again == lines[chosen] - 4).all() and (starts_again == starts[chosen]).all()


def test_a_row_longer_than_a_line_is_refused():
    with pytest.raises(ValueError, match="a row of 24 tokens does not fit into a line of 20"):
        pack_rows(random_rows(), 20, 0)


def test_models_whose_positions_do_not_start_again_are_refused():
    model = DistilBertForMaskedLM(DistilBertConfig(vocab_size=60, dim=16, n_layers=1, n_heads=2, hidden_dim=32))
    with pytest.raises(ArtifactError, match=r"rows of a distilbert model cannot be packed.*set batch_form=rows"):
        first_position_of(model.config)
    relative = tiny_masked_lm()
    relative.config.position_embedding_type = "relative_key"
    with pytest.raises(ArtifactError, match="cannot be packed"):
        first_position_of(relative.config)


def test_attention_other_than_sdpa_is_refused():
    with pytest.raises(ArtifactError, match="expected torch's sdpa attention, found eager"):
        MaskedLm(BertForMaskedLM(tiny_config(attn_implementation="eager")))


PACKED = ("posttrain.batch_form=packed", "posttrain.pack_length=64", "posttrain.micro_tokens=128")


def exported(runs: Path) -> dict[str, torch.Tensor]:
    (weights,) = (runs / "demo" / "posttrain" / "posttrain_models").glob("*/model.safetensors")
    return load_file(weights)


def run_here(runs: Path, *overrides: str) -> None:
    """The stage's work in this process."""
    folder = StageFolder(runs / "demo", "posttrain")
    folder.path.mkdir()
    fit(load_recipe("demo", [*TINY, f"runs_dir={runs}", *overrides]), folder, World())


def farthest(a: dict[str, torch.Tensor], b: dict[str, torch.Tensor]) -> float:
    return max(float((a[name] - b[name]).abs().max()) for name in a)


def test_a_packed_run_gives_the_same_weights_whatever_the_budget_and_with_prefetch(prepared, copy_of):
    runs = [copy_of(prepared, name) for name in ("small", "large")]
    run_here(runs[0], *PACKED)
    run_here(runs[1], *PACKED, "posttrain.micro_tokens=8192", "posttrain.prefetch=always")
    assert farthest(exported(runs[0]), exported(runs[1])) < 1e-6


@pytest.mark.engines
@pytest.mark.thorough
def test_a_packed_run_on_two_ranks_equals_one_process_and_prefetch_changes_no_bit(prepared, copy_of):
    runs = {name: copy_of(prepared, name) for name in ("one", "two", "ahead")}
    words = (*PACKED, "posttrain.mask_unit=word")
    stage("posttrain", runs["one"], *words)
    stage("posttrain", runs["two"], *words, nproc=2)
    stage("posttrain", runs["ahead"], *words, "posttrain.prefetch=always")
    assert farthest(exported(runs["one"]), exported(runs["two"])) < 1e-6
    assert farthest(exported(runs["one"]), exported(runs["ahead"])) == 0
