"""Counted arithmetic against torch's own counter; real tokens, padding and the device's peak."""

from __future__ import annotations

import time

import numpy as np
import pytest
import torch
from tiny_models import tiny_classifier, tiny_masked_lm
from torch.utils.flop_counter import FlopCounterMode

from final_project.training.throughput import Meter, ModelWork, count_model_work, peak_flops

CPU = torch.device("cpu")


def counted(step) -> int:
    with FlopCounterMode(display=False) as counter:
        step()
    return counter.get_total_flops()


def full_rows(n_rows: int, length: int) -> dict[str, torch.Tensor]:
    ids = torch.randint(5, 60, (n_rows, length), generator=torch.Generator().manual_seed(0))
    return {"input_ids": ids, "token_type_ids": torch.zeros_like(ids), "attention_mask": torch.ones_like(ids)}


def test_masked_lm_arithmetic_is_what_torch_counts():
    model = tiny_masked_lm(attn_implementation="eager")  # torch counts no fused attention on a CPU
    inputs, masked_M = full_rows(6, 12), torch.arange(0, 72, 7)

    def step() -> None:
        hidden_BTH = model.bert(**inputs).last_hidden_state
        model.cls(hidden_BTH.flatten(0, 1)[masked_M]).sum().backward()

    expected = counted(step)
    assert count_model_work(model).flops(np.full(6, 12), len(masked_M)) == expected


def test_a_classifier_predicts_at_one_position_a_row():
    model = tiny_classifier(attn_implementation="eager")
    expected = counted(lambda: model(**full_rows(6, 12)).logits.sum().backward())
    assert count_model_work(model).flops(np.full(6, 12), 6) == expected
    assert count_model_work(model, passes=2).flops(np.full(6, 12), 6) == 2 * expected


def test_padding_is_no_work_and_is_shown_apart():
    lengths = np.array([10, 10, 4, 2])
    meter = Meter(lengths, ModelWork(body=100, head=10, n_layers=1, hidden_size=8), 1e9, CPU)
    meter.add([np.array([0, 1]), np.array([2, 3])], None, None)
    figures = meter.read()
    assert figures["padding"] == pytest.approx(2 / 28, abs=1e-4)
    assert figures["tokens_per_s"] / figures["rows_per_s"] == pytest.approx(26 / 4, rel=1e-3)
    meter.add([np.array([0, 1]), np.array([2, 3])], None, 26)
    assert meter.read()["padding"] == 0.0, "the stage knows better how many tokens it computed"


def test_time_spent_on_evaluation_is_not_training_time():
    meter = Meter(np.full(100, 10), None, 0.0, CPU)
    with meter.paused():
        time.sleep(0.2)
    meter.add([np.arange(100)], None, None)
    assert meter.read()["rows_per_s"] > 100 / 0.1


def test_the_peak_is_found_in_less_than_a_second_and_leaves_the_random_numbers_alone():
    state = torch.get_rng_state()
    began = time.monotonic()
    peak = peak_flops(CPU, "fp32")
    assert time.monotonic() - began < 1
    assert 1e8 < peak < 1e14
    assert torch.equal(torch.get_rng_state(), state)
    assert peak_flops(CPU, "fp32") == peak, "measured once"
