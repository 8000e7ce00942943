"""Masking, the projection at masked positions, text rows, and the exported folder."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from tiny_models import random_inputs, tiny_masked_lm
from torch.nn import functional as F
from transformers import pipeline

from final_project.errors import DataError
from posttrain.corpus import read_texts, split_held_out
from posttrain.masking import Masking
from posttrain.model import MaskedLm

SPECIAL = frozenset({0, 1, 2, 3, 4})
MASKING = Masking(mask_id=4, vocab_size=1000, special_ids=SPECIAL, mask_prob=0.15)


def test_masking_follows_the_published_shares_within_binomial_bounds():
    rows = [np.r_[2, np.random.default_rng(row).integers(5, 1000, 98), 3] for row in range(500)]
    n_allowed = n_drawn = n_mask = n_random = n_kept = 0
    for row, ids in enumerate(rows):
        changed, positions = MASKING(ids, 1, 1, row)
        n_allowed += 98
        n_drawn += len(positions)
        n_mask += int((changed[positions] == 4).sum())
        n_kept += int((changed[positions] == ids[positions]).sum())
        n_random += int(((changed[positions] != 4) & (changed[positions] != ids[positions])).sum())
        untouched = np.setdiff1d(np.arange(100), positions)
        assert (changed[untouched] == ids[untouched]).all()

    def within(found: int, total: int, share: float) -> bool:
        return abs(found - total * share) < 5 * np.sqrt(total * share * (1 - share))

    assert within(n_drawn, n_allowed, 0.15)
    assert within(n_mask, n_drawn, 0.8) and within(n_kept, n_drawn, 0.1) and within(n_random, n_drawn, 0.1)


def test_special_tokens_are_neither_hidden_nor_drawn():
    ids = np.array([2, 10, 11, 3, 12, 3, 0, 0])
    for row in range(300):
        changed, positions = MASKING(ids, 1, 1, row)
        assert set(positions) <= {1, 2, 4}
        assert len(positions) >= 1
        assert not set(changed[positions]) & (SPECIAL - {4})


def test_masking_is_a_pure_function_that_changes_with_epoch_and_row():
    ids = np.arange(5, 105)
    same = [MASKING(ids, 7, 2, 9) for _ in range(2)]
    assert all((a == b).all() for a, b in zip(*same, strict=True))
    assert not np.array_equal(MASKING(ids, 7, 3, 9)[1], same[0][1])
    assert not np.array_equal(MASKING(ids, 7, 2, 8)[1], same[0][1])


def test_a_row_of_special_tokens_alone_is_left_as_it_is():
    changed, positions = MASKING(np.array([2, 3]), 1, 1, 1)
    assert len(positions) == 0 and changed.tolist() == [2, 3]


def test_projecting_masked_positions_only_equals_the_full_projection():
    model = tiny_masked_lm().double().eval()
    inputs = random_inputs()
    labels = torch.full_like(inputs["input_ids"], -100)
    labels[:, 2:4] = inputs["input_ids"][:, 2:4]
    full = model(**inputs).logits
    expected = F.cross_entropy(full.flatten(0, 1), labels.flatten(), ignore_index=-100)
    model.zero_grad()
    expected.backward()
    gradient = model.get_input_embeddings().weight.grad.clone()
    model.zero_grad()
    masked_M = torch.nonzero(labels.flatten() != -100).squeeze(1)
    logits_MV = MaskedLm(model)(**inputs, masked_M=masked_M)
    loss = F.cross_entropy(logits_MV, labels.flatten()[masked_M])
    loss.backward()
    assert float(loss) == pytest.approx(float(expected), abs=1e-12)
    torch.testing.assert_close(model.get_input_embeddings().weight.grad, gradient, rtol=0, atol=1e-12)


def test_texts_are_read_as_pairs_or_taken_apart(tmp_path):
    path = tmp_path / "text.tsv"
    path.write_text("甲\t乙\n丙\n", encoding="utf-8")
    assert list(read_texts(path, "pair")) == [("甲", "乙", None), ("丙", "", None)]
    assert [text for text, _, _ in read_texts(path, "sentence")] == ["甲", "乙", "丙"]


def test_a_third_column_is_refused_with_its_line(tmp_path):
    path = tmp_path / "text.tsv"
    path.write_text("甲\t乙\n丙\t丁\t戊\n", encoding="utf-8")
    with pytest.raises(DataError, match=r"text\.tsv:2: expected 1 or 2 tab-separated sentences, found 3"):
        list(read_texts(path, "pair"))


def test_held_out_rows_are_never_trained_on_and_leave_half_at_least():
    for n_rows, wanted in ((100, 10), (5, 100), (1, 1)):
        train, held_out = split_held_out(n_rows, wanted, seed=3)
        assert sorted([*train, *held_out]) == list(range(n_rows))
        assert len(held_out) == min(wanted, n_rows // 2)


def test_the_export_is_a_standard_folder_that_fills_masks(posttrained):
    folder = posttrained / "demo" / "posttrain"
    manifest = json.loads((folder / "manifest.json").read_text())
    fill = pipeline("fill-mask", model=str(folder / manifest["model"]), top_k=3)
    answers = fill("请问[MASK]么走")
    assert len(answers) == 3 and all(0 < answer["score"] < 1 for answer in answers)


def test_training_lowers_the_loss_on_held_out_rows(posttrained):
    rows = [
        json.loads(line) for line in (posttrained / "demo" / "posttrain" / "metrics.jsonl").read_text().splitlines()
    ]
    held_out = [row["held_out_loss"] for row in rows if "held_out_loss" in row]
    assert len(held_out) == 2 and held_out[1] < held_out[0]
