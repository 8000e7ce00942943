"""Batches, seeds, learning rate, parameter groups, weights files, token tables."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import tiny_masked_lm
from transformers import get_scheduler

from final_project.model.token_table import column, open_token_table, pad_rows, write_token_table
from final_project.model.tokens import build_tokenizer
from final_project.training.batching import (
    batches_by_length,
    epoch_steps,
    seed_of,
    share_of_rank,
    steps_per_epoch,
)
from final_project.training.optim import lr_factor, parameter_groups
from final_project.training.weights import load_weights, save_weights

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
    seeds = {seed_of(a, b, c) for a in range(6) for b in range(6) for c in range(6)}
    assert len(seeds) == 216
    assert all(0 <= seed < 2**63 for seed in seeds)


@pytest.mark.parametrize("schedule", ["linear", "cosine", "constant"])
@pytest.mark.parametrize("warmup", [0.0, 0.1, 1.0])
def test_the_learning_rate_follows_transformers(schedule, warmup):
    total = 40
    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    name = "constant_with_warmup" if schedule == "constant" else schedule
    scheduler = get_scheduler(name, optimizer, num_warmup_steps=int(total * warmup), num_training_steps=total)
    for done in range(total):
        assert lr_factor(done, total, warmup, schedule) == pytest.approx(scheduler.get_last_lr()[0], abs=1e-12)
        optimizer.step()
        scheduler.step()


def test_every_parameter_is_in_one_group_and_vectors_do_not_decay():
    model = tiny_masked_lm()
    groups = parameter_groups(model, 1e-3, 0.01)
    ids = [id(p) for group in groups for p in group["params"]]
    assert sorted(ids) == sorted(id(p) for p in model.parameters())
    assert all(p.ndim < 2 for group in groups if group["weight_decay"] == 0 for p in group["params"])


def test_weights_files_keep_ties_and_load_bit_for_bit(tmp_path):
    model, other = tiny_masked_lm(0), tiny_masked_lm(1)
    save_weights(model, tmp_path / "w.safetensors")
    load_weights(other, tmp_path / "w.safetensors", torch.device("cpu"))
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), other.state_dict().values(), strict=True))
    assert other.cls.predictions.decoder.weight is other.bert.embeddings.word_embeddings.weight


def test_a_token_table_holds_what_the_tokenizer_says_and_counts_what_it_cut(tmp_path):
    tokenizer = build_tokenizer(["你好吗 abc", "天气不错"], 100)
    rows = [("你好", "天气", 1), ("你好吗", "天气不错", 0), ("好" * 30, "天", None)]
    n_cut = write_token_table(rows, tokenizer, 12, tmp_path / "t.arrow")
    table = open_token_table(tmp_path / "t.arrow")
    assert n_cut == 1
    assert column(table, "length").tolist() == [7, 10, 12]
    assert column(table, "label").tolist() == [1, 0, -1]
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
