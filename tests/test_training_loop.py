"""The loop that both stages share: order of updates, evaluations and checkpoints, and the mode of the model."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from tiny_models import tiny_classifier

from final_project.errors import ArtifactError
from final_project.parallel.world import World
from final_project.settings import SimilarityV0
from final_project.training.engines import build_engine
from final_project.training.loop import run_loop
from similarity_v0.model import PairModel


class Recorder:
    """A task that only writes down what the loop asks of it."""

    lengths = np.full(40, 5)
    line_tokens = 0
    lowest_is_best = ""

    def __init__(self, engine, stop_at: int = 0):
        self.engine, self.stop_at = engine, stop_at
        self.updates, self.evaluations, self.modes, self.rates = [], [], [], []

    def prepare(self, epoch, micro_batches):
        return micro_batches

    def update(self, step, epoch, prepared):
        if step == self.stop_at:
            raise KeyboardInterrupt
        self.updates.append((step, epoch))
        self.modes.append(all(module.training for module in self.engine.model.modules()))
        self.rates.append(self.engine.optimizer.param_groups[0]["lr"])
        self.engine.optimizer.zero_grad()
        return {"loss": 1.0}

    def evaluate(self, step):
        self.evaluations.append(step)
        return {"dev_accuracy": 0.5}

    def state(self):
        return {"updates": len(self.updates)}, {"extra": torch.tensor([float(len(self.updates))])}

    def restore(self, state, tensors):
        assert tensors["extra"].item() == state["updates"]
        self.updates = [None] * state["updates"]


SETTINGS = SimilarityV0(epochs=3, step_rows=8, micro_rows=4, precision="fp32", checkpoint_every=4, schedule="constant")


def engine_in_evaluation_mode():
    return build_engine("torch", PairModel(tiny_classifier()).eval(), SETTINGS, "fp32", World())


def test_every_step_of_every_epoch_is_taken_in_training_mode(tmp_path):
    task = Recorder(engine_in_evaluation_mode())
    assert run_loop(task, task.engine, SETTINGS, 1, 0, tmp_path, "test") == 15
    assert task.updates == [(step, (step - 1) // 5) for step in range(1, 16)]
    assert all(task.modes)
    assert task.evaluations == [5, 10, 15]


@pytest.mark.parametrize(("every", "expected"), [(4, [4, 8, 12, 15]), (100, [15])])
def test_evaluation_comes_every_so_many_updates_and_at_the_end(every, expected, tmp_path):
    task = Recorder(engine_in_evaluation_mode())
    run_loop(task, task.engine, SETTINGS, 1, every, tmp_path, "test")
    assert task.evaluations == expected


def test_an_interrupted_loop_resumes_after_its_last_checkpoint(tmp_path):
    first = Recorder(engine_in_evaluation_mode(), stop_at=11)
    with pytest.raises(KeyboardInterrupt):
        run_loop(first, first.engine, SETTINGS, 1, 0, tmp_path, "test")
    second = Recorder(engine_in_evaluation_mode())
    run_loop(second, second.engine, SETTINGS, 1, 0, tmp_path, "test")
    assert second.updates == [None] * 8 + [(step, (step - 1) // 5) for step in range(9, 16)]
    assert sorted(path.name for path in (tmp_path / "checkpoints").iterdir()) == ["step-00000008", "step-00000012"]


def test_idle_processes_are_pointed_out(tmp_path, caplog):
    task = Recorder(engine_in_evaluation_mode())
    task.engine.world = World(rank=0, size=4)
    with caplog.at_level("INFO"), pytest.raises(ValueError, match="process group"):  # there is none: it stops there
        run_loop(task, task.engine, SETTINGS, 1, 0, tmp_path, "similarity_v0")
    assert "some are idle; -- similarity_v0.micro_rows=2 would give each its share" in caplog.text


def test_no_epochs_are_no_updates(tmp_path):
    task = Recorder(engine_in_evaluation_mode())
    none = SETTINGS.model_copy(update={"epochs": 0})
    assert run_loop(task, task.engine, none, 1, 0, tmp_path, "test") == 0
    assert task.updates == task.evaluations == []


def test_checkpoints_that_are_all_damaged_are_refused_with_the_way_out(tmp_path):
    first = Recorder(engine_in_evaluation_mode(), stop_at=11)
    with pytest.raises(KeyboardInterrupt):
        run_loop(first, first.engine, SETTINGS, 1, 0, tmp_path, "test")
    for state in tmp_path.glob("checkpoints/*/state.json"):
        state.write_bytes(b"no JSON")
    second = Recorder(engine_in_evaluation_mode())
    with pytest.raises(ArtifactError, match="--force"):
        run_loop(second, second.engine, SETTINGS, 1, 0, tmp_path, "test")
    assert second.updates == []
