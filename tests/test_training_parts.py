"""Batches, seeds, learning rate, parameter groups, weights files, token tables."""

from __future__ import annotations

import importlib

import numpy as np
import pytest
import torch
from tiny_models import random_inputs, tiny_masked_lm
from transformers import get_scheduler

from final_project.errors import ArtifactError, RecipeError
from final_project.parallel.world import World
from final_project.recipe import load_recipe
from final_project.run.stage_folder import StageFolder
from final_project.settings import Posttrain
from final_project.tokens.token_table import open_token_table, pad_rows, write_token_table
from final_project.tokens.tokenizer import build_tokenizer
from final_project.training.batching import (
    batches_by_length,
    derive_seed,
    epoch_steps,
    share_of_rank,
    steps_per_epoch,
)
from final_project.training.engines import build_engine
from final_project.training.optim import (
    BETAS,
    MOMENTS,
    ParameterGroup,
    build_optimizer,
    flat_groups,
    lr_factor,
    optimizer_groups,
    start_moments,
)
from final_project.training.precision import FIRST_SCALE, GROW_AFTER, LossScale
from final_project.training.weights import distinct_weights, save_tensors, with_ties

LENGTHS = np.random.default_rng(0).integers(4, 60, 1003)


def test_every_row_occurs_once_an_epoch():
    steps = epoch_steps(LENGTHS, 64, 16, seed=1, epoch=0)
    rows = np.concatenate([rows for step in steps for rows in step])
    assert sorted(rows) == list(range(len(LENGTHS)))
    assert len(steps) == steps_per_epoch(len(LENGTHS), 64, 16)


def test_epochs_differ_and_repeat_with_the_seed():
    def flat(seed, epoch):
        return np.concatenate([rows for step in epoch_steps(LENGTHS, 64, 16, seed, epoch) for rows in step]).tolist()

    assert flat(1, 0) == flat(1, 0)
    assert flat(1, 0) != flat(1, 1) != flat(2, 1)


def test_batches_of_one_length_waste_little():
    steps = epoch_steps(np.tile(LENGTHS, 20), 64, 16, seed=1, epoch=0)
    lengths = np.tile(LENGTHS, 20)
    padded = sum(len(rows) * lengths[rows].max() for step in steps for rows in step)
    assert lengths.sum() / padded > 0.95


@pytest.mark.parametrize("size", [1, 2, 3, 4])
def test_ranks_share_a_step_without_gap_or_overlap_and_in_equal_number(size):
    step = [np.array([at]) for at in range(5)]
    shares = [share_of_rank(step, rank, size) for rank in range(size)]
    assert len({len(share) for share in shares}) == 1
    counted = sorted(int(m.rows[0]) for share in shares for m in share if m.counts)
    assert counted == [0, 1, 2, 3, 4]


def test_evaluation_batches_keep_to_the_token_budget():
    batches = batches_by_length(LENGTHS, 200)
    assert sorted(np.concatenate(batches)) == list(range(len(LENGTHS)))
    assert all(len(rows) * LENGTHS[rows].max() <= 200 or len(rows) == 1 for rows in batches)


def test_seeds_differ_wherever_one_part_differs():
    seeds = {derive_seed(a, b, c) for a in range(6) for b in range(6) for c in range(6)}
    assert len(seeds) == 216
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant", "polynomial"])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 1.0])
def test_the_learning_rate_follows_transformers(schedule, warmup):
    total = 40
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    name = "constant_with_warmup" if schedule == "constant" else schedule
    options = {"lr_end": 0.0, "power": 3.0} if schedule == "polynomial" else {}
    scheduler = get_scheduler(
        name, optimizer, num_warmup_steps=int(total * warmup), num_training_steps=total,
        scheduler_specific_kwargs=options,
    )  # fmt: skip
    for done in range(total):
        assert lr_factor(done, total, warmup, schedule, power=3.0) == pytest.approx(
            scheduler.get_last_lr()[0], abs=1e-12
        )
        if done < total - 1:  # transformers divides by zero where the warm-up is all
            optimizer.step()
            scheduler.step()


def test_every_parameter_is_in_one_group_and_vectors_do_not_decay():
    model = tiny_masked_lm()
    groups = optimizer_groups(model, flat_groups(model, Posttrain(lr=1e-3, weight_decay=0.01)))
    ids = [id(p) for group in groups for p in group["params"]]
    assert sorted(ids) == sorted(id(p) for p in model.parameters())
    assert all(p.ndim < 2 for group in groups if group["weight_decay"] == 0 for p in group["params"])


@pytest.mark.parametrize(("change", "said"), [("repeat", "in two groups"), ("drop", "in no group")])
def test_a_weight_in_two_groups_or_in_none_is_refused(change, said):
    model = torch.nn.Linear(2, 2)
    names = {"repeat": ("weight", "bias", "weight"), "drop": ("weight",)}[change]
    with pytest.raises(ValueError, match=said):
        optimizer_groups(model, [ParameterGroup("all", names, 1e-3, 0.0)])


def test_a_weight_that_is_not_trained_may_be_in_no_group():
    model = torch.nn.Linear(2, 2)
    model.bias.requires_grad_(False)
    with pytest.raises(ValueError, match="bias is not trained"):
        optimizer_groups(model, [ParameterGroup("all", ("weight", "bias"), 1e-3, 0.0)])


def engine_of(model: torch.nn.Module):
    return build_engine("torch", model, Posttrain(), "fp32", World())


def test_weights_files_keep_ties_and_load_bit_for_bit(tmp_path):
    model, other = tiny_masked_lm(0), tiny_masked_lm(1)
    save_tensors(tmp_path / "w.safetensors", engine_of(model).full_weights())
    engine_of(other).load_weights(tmp_path / "w.safetensors")
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True))
    assert other.cls.predictions.decoder.weight is other.bert.embeddings.word_embeddings.weight


def test_a_tied_weight_is_one_tensor_under_its_first_name():
    model = torch.nn.ModuleDict({"inner": tiny_masked_lm()})
    distinct = distinct_weights(model)
    first, second = "inner.bert.embeddings.word_embeddings.weight", "inner.cls.predictions.decoder.weight"
    assert first in distinct and second not in distinct
    assert distinct[first] is model["inner"].bert.embeddings.word_embeddings.weight
    full = {name: value.detach().clone() for name, value in distinct.items()}
    tied = with_ties(full, model, model["inner"])
    assert tied.keys() == model["inner"].state_dict().keys()
    assert tied["cls.predictions.decoder.weight"] is tied["bert.embeddings.word_embeddings.weight"] is full[first]


@pytest.mark.parametrize(
    ("change", "said"), [("add", "not the model's, foreign"), ("drop", "missing, cls.predictions")]
)
def test_a_weights_file_of_another_model_is_refused(change, said, tmp_path):
    engine = engine_of(tiny_masked_lm())
    full = engine.full_weights()
    if change == "add":
        full["foreign"] = torch.zeros(1)
    else:
        del full["cls.predictions.bias"]
    save_tensors(tmp_path / "w.safetensors", full)
    with pytest.raises(ArtifactError, match=said):
        engine.load_weights(tmp_path / "w.safetensors")


@pytest.mark.parametrize("name", MOMENTS)
@pytest.mark.parametrize("shape", [(50,), (10, 5)])
def test_moments_start_as_the_optimizer_itself_would_start_them(name, shape):
    def stepped(started: bool) -> tuple[torch.Tensor, dict]:
        weight = torch.nn.Parameter(torch.linspace(-1, 1, 50).reshape(shape))
        optimizer = build_optimizer([{"params": [weight], "lr": 0.1}], Posttrain(optimizer=name))
        if started:
            start_moments(optimizer, name)
        for _ in range(3):
            weight.grad = weight.detach().sin()
            optimizer.step()
        return weight.detach(), optimizer.state[weight]

    (weight, state), (expected, expected_state) = stepped(True), stepped(False)
    assert torch.equal(weight, expected)
    assert state.keys() == expected_state.keys()
    assert all(torch.equal(state[key], expected_state[key]) for key in state)


def lion_step(weight, gradient, moment, lr, decay):
    """Chen et al. 2023, algorithm 2: (weight, moment) after one step."""
    update = (0.9 * moment + 0.1 * gradient).sign()
    return weight - lr * (update + decay * weight), 0.99 * moment + 0.01 * gradient


def test_lion_follows_its_paper():
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(4, 3, dtype=torch.float64))
    expected, moment = weight.detach().clone(), torch.zeros(4, 3, dtype=torch.float64)
    groups = [{"params": [weight], "lr": 0.01, "weight_decay": 0.1}]
    lion = build_optimizer(groups, Posttrain(optimizer="lion"))
    for _ in range(10):
        weight.grad = torch.randn_like(weight)
        expected, moment = lion_step(expected, weight.grad, moment, 0.01, 0.1)
        lion.step()
    torch.testing.assert_close(weight.detach(), expected, rtol=0, atol=1e-12)


def adafactor_step(weight, gradient, rows, columns, step, lr):
    """Shazeer and Stern 2018, algorithm 4, for a matrix; rows and columns are means, which changes nothing."""
    beta, eps = 1 - step**-0.8, torch.finfo(weight.dtype).eps
    rows = beta * rows + (1 - beta) * gradient.square().mean(1)
    columns = beta * columns + (1 - beta) * gradient.square().mean(0)
    estimate = rows[:, None] * columns[None] / rows.mean().clamp(min=eps**2)
    update = gradient / estimate.clamp(min=eps**2).sqrt()
    update = update / max(1.0, float(update.square().mean().sqrt()))
    rate = min(lr, step**-0.5) * max(1e-3, float(weight.square().mean().sqrt()))
    return weight - rate * update, rows, columns


def test_adafactor_follows_its_paper():
    torch.manual_seed(0)
    weight = torch.nn.Parameter(torch.randn(4, 3, dtype=torch.float64))
    expected, rows, columns = weight.detach().clone(), torch.zeros(4).double(), torch.zeros(3).double()
    optimizer = build_optimizer(
        [{"params": [weight], "lr": 0.01, "weight_decay": 0.0}], Posttrain(optimizer="adafactor")
    )
    for step in range(1, 11):
        weight.grad = torch.randn_like(weight)
        expected, rows, columns = adafactor_step(expected, weight.grad, rows, columns, step, 0.01)
        optimizer.step()
    torch.testing.assert_close(weight.detach(), expected, rtol=0, atol=1e-10)


def test_the_fused_optimizer_is_plain_adamw():
    def stepped(fused: bool) -> torch.Tensor:
        torch.manual_seed(0)
        weight = torch.nn.Parameter(torch.randn(33, 7, dtype=torch.float64))
        groups = [{"params": [weight], "lr": 0.01, "weight_decay": 0.1}]
        adam = build_optimizer(groups, Posttrain()) if fused else torch.optim.AdamW(groups, betas=BETAS, eps=1e-6)
        for _ in range(5):
            weight.grad = torch.randn_like(weight)
            adam.step()
        return weight.detach()

    torch.testing.assert_close(stepped(True), stepped(False), rtol=0, atol=1e-14)


def test_the_loss_scale_halves_when_gradients_overflow_and_doubles_after_many_good_steps():
    scale = LossScale("fp16")
    scale.update(is_finite=False)
    assert scale.value == FIRST_SCALE / 2
    for _ in range(GROW_AFTER):
        scale.update(is_finite=True)
    assert scale.value == FIRST_SCALE
    again = LossScale("fp16")
    again.restore(scale.state())
    assert again.state() == scale.state()
    for _ in range(40):
        scale.update(is_finite=False)
    assert scale.value == 1.0


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_other_precisions_have_no_loss_scale(precision):
    scale = LossScale(precision)
    scale.update(is_finite=False)
    assert scale.value == 1.0


def test_activations_that_are_computed_again_change_nothing():
    inputs, results, layers_run = random_inputs(), [], []
    for again in (False, True):
        model = tiny_masked_lm(hidden_dropout_prob=0.3, attention_probs_dropout_prob=0.2).train()
        engine = build_engine("torch", model, Posttrain(activation_checkpointing=again), "fp32", World())
        counted = []
        model.bert.encoder.layer[0].attention.register_forward_hook(lambda *_, counted=counted: counted.append(1))
        torch.manual_seed(3)
        with engine.backward_pass(synchronise=True):
            engine.backward(engine(**inputs).logits.square().mean())
        engine.step(1.0)
        results.append(engine.full_weights())
        layers_run.append(len(counted))
    assert layers_run == [1, 2], "the backward pass was to run the layers again"
    assert all(torch.equal(results[0][name], results[1][name]) for name in results[0])


def test_a_token_table_holds_what_the_tokenizer_says_and_counts_what_it_cut(tmp_path):
    tokenizer = build_tokenizer(["你好吗 abc", "天气不错"], 100)
    rows = [("你好", "天气", 1), ("你好吗", "天气不错", 0), ("好" * 30, "天", None)]
    n_cut = write_token_table(rows, tokenizer, 12, tmp_path / "t.arrow")
    table = open_token_table(tmp_path / "t.arrow")
    assert n_cut == 1
    assert table.lengths.tolist() == [7, 10, 12]
    assert table.labels.tolist() == [1, 0, -1]
    fetched = table[np.array([1, 0])]
    batch = pad_rows(fetched, tokenizer.pad_token_id, torch.device("cpu"))
    expected = tokenizer(["你好吗", "你好"], ["天气不错", "天气"], padding=True, return_tensors="pt")
    for name in ("input_ids", "token_type_ids", "attention_mask"):
        assert torch.equal(batch[name], expected[name])


def test_a_built_tokenizer_knows_every_character_of_its_text_and_is_stable():
    texts = ["iPhone12怎么截图", "ＶＩＰ会员多少钱？"]
    tokenizer = build_tokenizer(texts, 100)
    assert tokenizer.unk_token_id not in tokenizer(texts[0])["input_ids"]
    assert tokenizer.get_vocab() == build_tokenizer(texts, 100).get_vocab()
    assert len(build_tokenizer(texts, 9)) == 9


ZERO_STAGES = "needs engine: deepspeed; with engine: {} leave it null"
OFFLOAD = "offload_optimizer: true needs engine: deepspeed, found engine: {}"


@pytest.mark.parametrize("stage", ["posttrain", "similarity_v0"])
@pytest.mark.parametrize(
    ("settings", "messages"),
    [
        (("zero_stage=1",), ["zero_stage: 1 " + ZERO_STAGES.format("torch")]),
        (("engine=fsdp2", "zero_stage=3"), ["zero_stage: 3 " + ZERO_STAGES.format("fsdp2")]),
        (("engine=fairscale", "zero_stage=0"), ["zero_stage: 0 " + ZERO_STAGES.format("fairscale")]),
        (("engine=fsdp2", "offload_optimizer=true"), [OFFLOAD.format("fsdp2")]),
        (
            ("engine=deepspeed", "zero_stage=0", "offload_optimizer=true"),
            ["offload_optimizer: true needs zero_stage: 1"],
        ),
        (("engine=deepspeed", "zero_stage=4"), ["zero_stage: Input should be None, 0, 1, 2 or 3, found 4"]),
        (("engine=fsdp",), ["'fsdp2'", "found 'fsdp'"]),
        (
            ("optimizer=adafactor", "engine=fsdp2"),
            ["optimizer: adafactor needs whole matrices", "engine: fsdp2 shards them"],
        ),
        (("optimizer=adafactor", "engine=deepspeed"), ["engine: deepspeed shards them"]),
        (("precision=fp8",), ["'fp16'", "found 'fp8'"]),
        (
            ("zero_stage=2", "offload_optimizer=true", "step_rows=7", "micro_rows=2"),
            ["zero_stage: 2 ", "offload_optimizer: true", "step_rows: 7 is not a multiple"],
        ),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, tuple) else "",
)
def test_settings_that_an_engine_does_not_have_are_refused_all_at_once(stage, settings, messages):
    with pytest.raises(RecipeError) as error:
        load_recipe("demo", [f"{stage}.{setting}" for setting in settings])
    for message in messages:
        assert any(message in problem for problem in error.value.problems)


@pytest.mark.parametrize("stage", ["posttrain", "similarity_v0"])
def test_fp16_without_cuda_is_refused_before_anything_is_read(stage, tmp_path):
    """Nothing is there that could be read: any other order would fail for another reason."""
    if torch.cuda.is_available():
        pytest.skip("a CUDA device is visible")
    recipe = load_recipe("demo", [f"{stage}.precision=fp16", f"runs_dir={tmp_path}"])
    fit = importlib.import_module(f"{stage}.fit").fit
    with pytest.raises(RecipeError, match="fp16 needs a CUDA device, found cpu"):
        fit(recipe, StageFolder(tmp_path, stage), World())
    assert list(tmp_path.iterdir()) == []
