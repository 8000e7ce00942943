"""The projection at masked positions, text rows, and the exported folder."""

from __future__ import annotations

import json

import pytest
import torch
from conftest import rewrite, stage
from tiny_models import random_inputs, tiny_masked_lm
from torch.nn import functional as F
from transformers import pipeline

from final_project.errors import DataError
from posttrain.corpus import read_texts, split_held_out
from posttrain.model import MaskedLm


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


def test_without_held_out_rows_nothing_is_claimed(prepared, copy_of):
    runs = copy_of(prepared)
    rewrite(runs / "demo/prepare", "text.tsv", "怎么走\t如何走\n")  # too few to keep one aside
    done = stage("posttrain", runs, "posttrain.export=best")
    assert (
        "held_out_loss" not in done.stderr
        and "held_out_loss" not in (runs / "demo/posttrain/metrics.jsonl").read_text()
    )
    assert json.loads((runs / "demo/posttrain/manifest.json").read_text())["scores"] == {}


def test_training_lowers_the_loss_on_held_out_rows(posttrained):
    rows = [
        json.loads(line) for line in (posttrained / "demo" / "posttrain" / "metrics.jsonl").read_text().splitlines()
    ]
    held_out = [row["held_out_loss"] for row in rows if "held_out_loss" in row]
    at_start, *after_each_epoch = held_out
    assert len(after_each_epoch) == 2 and at_start > after_each_epoch[0] > after_each_epoch[1]
