"""Which checkpoints are kept, the best among them; and what a full disk does to a run that has one already."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import torch
from test_training_loop import SETTINGS, Recorder, engine_in_evaluation_mode
from training_support import run_on_two_ranks, tiny_run, write_corpus

from final_project.errors import ArtifactError
from final_project.parallel.world import World
from final_project.run.progress import read_metrics
from final_project.training.checkpoint import Checkpoints
from final_project.training.loop import run_loop

pytestmark = pytest.mark.stage

EVERY_STEP = SETTINGS.model_copy(update={"checkpoint_every": 1, "log_every": 1})


class Scored(Recorder):
    """Moves one weight to the number of the step; its evaluations give the figures it was made with."""

    lowest_is_best = "held_out_loss"

    def __init__(self, engine, scores=(), at=None):
        super().__init__(engine)
        self.scores, self.at = dict(scores), at or {}
        self.weight = next(iter(engine.model.parameters()))

    def update(self, step, epoch, micro_batches):
        figures = super().update(step, epoch, micro_batches)
        self.weight.data.fill_(step)
        if step in self.at:
            self.at[step]()
        return figures

    def evaluate(self, step):
        super().evaluate(step)
        return {"held_out_loss": self.scores.get(step, 9.0)}


def kept(folder) -> list[int]:
    return sorted(int(path.name.removeprefix("step-")) for path in (folder / "checkpoints").glob("step-*"))


def run(task, folder, settings=EVERY_STEP, eval_every=3, **options) -> int:
    return run_loop(task, task.engine, settings, 1, eval_every, folder, "fit", **options)


@pytest.mark.parametrize(("keep", "expected"), [(1, [6, 14]), (3, [6, 12, 13, 14])])
def test_the_newest_few_and_the_best_are_kept(keep, expected, tmp_path):
    task = Scored(engine_in_evaluation_mode(), {3: 0.9, 6: 0.5, 9: 0.7, 12: 0.5, 15: 0.6})
    run(task, tmp_path, EVERY_STEP.model_copy(update={"keep_checkpoints": keep}))
    assert kept(tmp_path) == expected


def test_the_best_is_taken_at_the_end_where_asked(tmp_path):
    scores = {3: 0.9, 6: 0.5, 9: 0.7}
    last, best = Scored(engine_in_evaluation_mode(), scores), Scored(engine_in_evaluation_mode(), scores)
    run(last, tmp_path / "last")
    run(best, tmp_path / "best", end_with_best=True)
    assert float(last.weight.detach().flatten()[0]) == 15 and float(best.weight.detach().flatten()[0]) == 6


def test_the_last_update_can_be_the_best(tmp_path):
    task = Scored(engine_in_evaluation_mode(), {6: 0.5, 15: 0.4})
    run(task, tmp_path, end_with_best=True)
    assert float(task.weight.detach().flatten()[0]) == 15


def test_a_resumed_run_knows_what_was_best(tmp_path):
    scores = {3: 0.5, 9: 0.7, 12: 0.8}
    first = Scored(engine_in_evaluation_mode(), scores, at={11: lambda: signal.raise_signal(signal.SIGTERM)})
    with pytest.raises(SystemExit):
        run(first, tmp_path)
    second = Scored(engine_in_evaluation_mode(), scores)
    run(second, tmp_path, end_with_best=True)
    assert float(second.weight.detach().flatten()[0]) == 3


def test_an_evaluation_that_a_signal_has_kept_from_coming_is_made_up_for(tmp_path):
    first = Scored(engine_in_evaluation_mode(), at={6: lambda: signal.raise_signal(signal.SIGINT)})
    with pytest.raises(SystemExit) as caught:
        run(first, tmp_path)
    assert caught.value.code == 130 and first.evaluations == [0, 3] and kept(tmp_path)[-1] == 6
    second = Scored(engine_in_evaluation_mode())
    run(second, tmp_path)
    assert second.evaluations == [6, 9, 12, 15]
    assert second.updates[6:] == [(step, (step - 1) // 5) for step in range(7, 16)]
    steps = [row["step"] for row in read_metrics(tmp_path / "metrics.jsonl") if "held_out_loss" in row]
    assert steps == [0, 3, 6, 9, 12, 15]


def test_on_a_full_disk_training_continues_and_keeps_the_last_checkpoint(small_disk, caplog):
    disk = small_disk(3000)
    filler = disk / "filler"

    def fill():
        with pytest.raises(OSError), filler.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(512))

    task = Scored(engine_in_evaluation_mode(), {3: 0.9, 9: 0.5}, at={8: fill, 12: filler.unlink})
    assert run(task, disk, end_with_best=True) == 15
    warned = [record.args for record in caplog.records if "CANNOT WRITE THE CHECKPOINT" in record.msg]
    assert [str(args[0])[-2:] for args in warned] == ["08", "09", "10", "11"] and all(args[2] == 7 for args in warned)
    assert kept(disk) == [3, 13, 14], "the best that could be kept, and the newest after there was room again"
    assert not list((disk / "checkpoints").glob(".*")), "nothing half-written stays"
    steps = [row["step"] for row in read_metrics(disk / "metrics.jsonl") if "loss" in row]
    assert steps == sorted(set(steps)) and steps[-4:] == [12, 13, 14, 15], "lines are whole or missing"


def test_without_any_checkpoint_a_full_disk_is_the_end(small_disk):
    disk = small_disk(28)
    task = Scored(engine_in_evaluation_mode())
    with pytest.raises(ArtifactError, match="step-00000001: cannot write the checkpoint"):
        run(task, disk)
    assert task.updates == [(1, 0)]


def test_a_best_checkpoint_that_cannot_be_read_is_an_error_not_another_model(tmp_path):
    task = Scored(engine_in_evaluation_mode(), {3: 0.5}, at={15: lambda: spoil(tmp_path)})
    with pytest.raises(ArtifactError, match="step-00000003, the best checkpoint, cannot be read"):
        run(task, tmp_path, end_with_best=True)


def spoil(folder) -> None:
    weights = folder / "checkpoints" / "step-00000003" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:50])


def test_extra_tensors_come_back_as_they_were(tmp_path):
    first = Scored(engine_in_evaluation_mode(), at={5: lambda: signal.raise_signal(signal.SIGTERM)})
    with pytest.raises(SystemExit):
        run(first, tmp_path)
    second = Scored(engine_in_evaluation_mode())
    second.restore = lambda state, tensors: seen.update(tensors)
    seen: dict[str, torch.Tensor] = {}
    run(second, tmp_path)
    assert seen["extra"].tolist() == [5.0]


def saving_beside_a_full_disk(world: World, folder: Path) -> None:
    """Only the first rank writes what all gather for it: none may wait for one that has failed."""
    disk = Path((folder / "disk_of_the_test").read_text())
    run = tiny_run(folder, world, "engine=fsdp2")
    run.train(1)
    checkpoints = Checkpoints(disk / "checkpoints", run.engine, world, 2)
    assert checkpoints.save(1, ({}, {}))
    if world.is_first:
        with pytest.raises(OSError), (disk / "filler").open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
    assert not checkpoints.save(2, ({}, {})), "on every rank"
    run.train(2)
    if world.is_first:
        (disk / "filler").unlink()
    assert checkpoints.save(3, ({}, {}))
    assert checkpoints.load_newest()[0]["step"] == 3


@pytest.mark.engines
def test_two_ranks_agree_that_a_checkpoint_could_not_be_written(prepared, small_disk, tmp_path):
    (tmp_path / "disk_of_the_test").write_text(str(small_disk(3000)))
    write_corpus(tmp_path, prepared / "demo" / "prepare" / "text.tsv")
    run_on_two_ranks(saving_beside_a_full_disk, tmp_path)
