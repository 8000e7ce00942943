"""Steps without a finite gradient: skipped by the engines, counted by the guard; the end of a run when many come."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from test_training_loop import SETTINGS, Recorder, engine_in_evaluation_mode

from final_project.errors import TrainingError
from final_project.run.progress import read_metrics
from final_project.training.guard import FiniteGuard
from final_project.training.loop import run_loop

NAN = float("nan")


class NotANumber(Recorder):
    """Takes real steps on the engine; the loss of some of them is not a number."""

    def __init__(self, engine, bad_steps):
        super().__init__(engine)
        self.bad_steps = bad_steps
        self.weights = []

    def prepare(self, epoch, micro_batches):
        return micro_batches

    def update(self, step, epoch, prepared):
        ids = torch.full((2, 4), step)
        loss = self.engine(input_ids=ids, token_type_ids=ids * 0, attention_mask=ids * 0 + 1).square().sum()
        if step in self.bad_steps:
            loss = loss * NAN
        with self.engine.backward_pass(synchronise=True):
            self.engine.backward(loss)
        norm = self.engine.step(1.0)
        self.weights.append({name: value.clone() for name, value in self.engine.model.state_dict().items()})
        return {"loss": float(loss.detach()), "grad_norm": norm}

    def describe_rows(self, rows):
        return [{"row": int(row), "token_ids": [2, 3], "text": "甲"} for row in rows]


def same(a: dict, b: dict) -> bool:
    return all(torch.equal(a[name], b[name]) for name in a)


@pytest.mark.stage
def test_a_bad_step_changes_nothing_and_the_next_one_continues(tmp_path, caplog):
    task = NotANumber(engine_in_evaluation_mode(), bad_steps={3})
    run_loop(task, task.engine, SETTINGS, 1, 0, tmp_path, "fit")
    assert same(task.weights[1], task.weights[2]) and not same(task.weights[2], task.weights[3])
    assert "fit: step 3: loss nan, grad_norm nan: nothing was updated (1 so far)" in caplog.text
    without = NotANumber(engine_in_evaluation_mode(), bad_steps=set())
    run_loop(without, without.engine, SETTINGS.model_copy(update={"log_every": 1}), 1, 0, tmp_path / "b", "fit")
    assert not same(without.weights[2], task.weights[2])


def test_bad_figures_are_null_and_their_number_is_kept(tmp_path):
    task = NotANumber(engine_in_evaluation_mode(), bad_steps={2, 4})
    run_loop(task, task.engine, SETTINGS.model_copy(update={"log_every": 1}), 1, 100, tmp_path, "fit")
    lines = [row for row in read_metrics(tmp_path / "metrics.jsonl") if "loss" in row]
    assert [row["step"] for row in lines if row["loss"] is None] == [2, 4]
    assert lines[-1]["bad_steps"] == 2
    assert "NaN" not in (tmp_path / "metrics.jsonl").read_text()


def test_too_many_in_a_row_end_the_run_with_their_rows_written_down(tmp_path):
    task = NotANumber(engine_in_evaluation_mode(), bad_steps={2, 4, 5, 6, 7})
    settings = SETTINGS.model_copy(update={"max_bad_steps": 3})
    with pytest.raises(TrainingError, match="3 steps in a row, up to step 6") as caught:
        run_loop(task, task.engine, settings, 1, 0, tmp_path, "fit")
    assert caught.value.exit_status == 2
    found = json.loads((tmp_path / "bad_step.json").read_text())
    assert found["step"] == 6 and len(found["rows"]) == settings.step_rows and found["rows"][0]["text"] == "甲"


def test_an_overflow_of_the_loss_scale_is_no_fault_until_the_scale_is_at_its_end():
    guard = FiniteGuard(2, None, "fit")
    for step in range(1, 20):
        guard.check(step, {"loss": 1.0, "grad_norm": math.inf}, list, scale_can_fall=True)
    assert guard.bad == 0
    guard.check(20, {"loss": NAN, "grad_norm": NAN}, list, scale_can_fall=True)
    with pytest.raises(TrainingError):
        guard.check(21, {"loss": 1.0, "grad_norm": math.inf}, list)


def test_a_resumed_run_continues_the_count_of_bad_steps():
    guard, other = FiniteGuard(5, None, "fit"), FiniteGuard(5, None, "fit")
    guard.check(1, {"loss": NAN}, list)
    other.restore(json.loads(json.dumps(guard.state())))
    assert (other.bad, other.in_a_row) == (1, 1)


def test_rows_of_a_bad_step_are_stored_with_their_text(tmp_path):
    from final_project.tokens.token_table import open_token_table, write_token_table
    from final_project.tokens.tokenizer import build_tokenizer
    from final_project.training.guard import describe_rows

    tokenizer = build_tokenizer(["你好吗", "天气不错"], 100)
    write_token_table([("你好吗", "天气不错", 1), ("天", "气", 0)], tokenizer, 12, tmp_path / "t.arrow")
    (told,) = describe_rows(open_token_table(tmp_path / "t.arrow"), np.array([1]), tokenizer)
    assert told["row"] == 1 and len(told["token_ids"]) == 5
    assert "天" in told["text"] and "气" in told["text"]
