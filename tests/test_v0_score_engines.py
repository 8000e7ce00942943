"""Scores on several ranks: the same updates as one process, with masks, accumulation and a loss of whole steps."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scores_support import save_ranks_results, score_task, trained, write_start
from training_support import largest_difference, run_on_two_ranks

from final_project.model.score_loss import ScoreLoss
from final_project.parallel.world import World
from final_project.training.batching import MicroBatch, epoch_steps
from similarity_v0.batches import pair_batch

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    place = tmp_path_factory.mktemp("scores")
    write_start(place)
    return place


@pytest.fixture(scope="module")
def on_two_ranks(folder):
    run_on_two_ranks(save_ranks_results, folder)
    return torch.load(folder / "found.pt", weights_only=False)


@pytest.mark.engines
@pytest.mark.parametrize("loss", ["mcrmse", "smooth_l1"])
@pytest.mark.parametrize("engine", ["ddp", "fairscale", "zero2"])
def test_two_ranks_take_the_updates_of_one_process(folder, on_two_ranks, engine, loss):
    alone, ranks = trained(folder, World(), 4, f"similarity_v0.loss={loss}"), on_two_ranks[engine, loss]
    assert ranks["loss"] == pytest.approx(alone["loss"], rel=1e-5)
    assert ranks["grad_norm"] == pytest.approx(alone["grad_norm"], rel=1e-4)
    assert largest_difference(ranks["weights"], alone["weights"]) < 1e-5


@pytest.mark.stage
@pytest.mark.parametrize("cuts", [(8,), (3, 5), (1,) * 8])
def test_a_step_may_be_cut_into_any_micro_batches(folder, cuts):
    whole, cut = (score_task(folder, World(), "similarity_v0.loss=mcrmse") for _ in range(2))
    first = whole.update(1, 0, [MicroBatch(np.arange(8), 0)])
    parts = np.split(np.arange(8), np.cumsum(cuts)[:-1])
    second = cut.update(1, 0, [MicroBatch(rows, number) for number, rows in enumerate(parts)])
    assert second["loss"] == pytest.approx(first["loss"], rel=1e-5)
    assert second["grad_norm"] == pytest.approx(first["grad_norm"], rel=1e-4)
    assert largest_difference(cut.engine.full_weights(), whole.engine.full_weights()) < 1e-5


@pytest.mark.stage
def test_the_logged_loss_is_mcrmse_of_the_step_in_the_models_scale(folder):
    task = score_task(folder, World(), "similarity_v0.loss=mcrmse", "similarity_v0.step_rows=8")
    steps = epoch_steps(task.lengths, 8, 2, task.seed, 0)
    mine = [MicroBatch(rows, index) for index, rows in enumerate(steps[0])]
    batches = task.prepare(0, mine)
    loss, table = task.tricks.loss, task.tables["train"]
    assert isinstance(loss, ScoreLoss) and loss.scale_C is not None
    with torch.no_grad():
        answers, given = [], []
        for batch in batches:
            made = pair_batch(table, task.weights, batch, task.tokenizer.pad_token_id, torch.device("cpu"))
            answers.append(task.engine(**made.inputs))
            given.append(made.labels_B)
    predicted, known = torch.cat(answers).double().numpy(), torch.cat(given).double().numpy()
    wanted = loss.of_set(predicted, known)
    assert task.update(1, 0, batches)["loss"] == pytest.approx(wanted, rel=1e-5)
