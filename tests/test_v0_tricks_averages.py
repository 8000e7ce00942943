"""Averages of the weights over the updates: their formulas, what they leave alone, and their life over a resume."""

from __future__ import annotations

import pytest
import torch

from final_project.parallel.world import World
from final_project.settings import SimilarityV0
from final_project.training.engines import build_engine
from final_project.training.engines.engine import Engine
from similarity_v0.tricks.ema import Ema
from similarity_v0.tricks.swa import Swa


def engine_of(model: torch.nn.Module) -> Engine:
    return build_engine("torch", model, SimilarityV0(), "fp32", World())


def test_ema_is_the_weighted_sum_of_all_weights_so_far():
    model = torch.nn.Linear(1, 1, bias=False).double()
    values, decay = [1.0, 2.0, -3.0, 5.0], 0.9
    model.weight.data.fill_(values[0])
    ema = Ema(engine_of(model), decay)
    for value in values[1:]:
        model.weight.data.fill_(value)
        ema.update()
    expected = decay**3 * 1.0 + 0.1 * (decay**2 * 2.0 + decay * -3.0 + 5.0)
    with ema.applied():
        assert model.weight.item() == pytest.approx(expected, abs=1e-12)
    assert model.weight.item() == 5.0


def test_ema_without_decay_is_the_weights_themselves():
    model = torch.nn.Linear(3, 3)
    ema = Ema(engine_of(model), 0.0)
    model.weight.data.normal_()
    ema.update()
    own = model.weight.clone()
    with ema.applied():
        assert torch.equal(model.weight, own)


def test_ema_resumes_from_its_state_and_leaves_the_weights_alone():
    model, decay = torch.nn.Linear(3, 3), 0.5
    first = Ema(engine_of(model), decay)
    model.weight.data.normal_()
    first.update()
    own = model.weight.clone()
    second = Ema(engine_of(model), decay)
    second.restore(first.state())
    assert torch.equal(model.weight, own)
    for name, averaged in first.state().items():
        assert torch.equal(second.state()[name], averaged)


def test_ema_gives_the_weights_back_after_an_error():
    model = torch.nn.Linear(2, 2)
    ema = Ema(engine_of(model), 0.5)
    model.weight.data.normal_()
    ema.update()
    own = model.weight.clone()
    with pytest.raises(RuntimeError), ema.applied():
        raise RuntimeError
    assert torch.equal(model.weight, own)


@pytest.mark.parametrize("decay", [-0.1, 1.0, float("nan")])
def test_ema_refuses_a_decay_that_forgets_nothing(decay):
    with pytest.raises(ValueError, match="decay must be in"):
        Ema(engine_of(torch.nn.Linear(1, 1)), decay)


def values_averaged(values: list[float], first: int) -> float:
    """What SWA holds after these updates."""
    model = torch.nn.Linear(1, 1, bias=False).double()
    engine = engine_of(model)
    swa = Swa(engine, first)
    for value in values:
        model.weight.data.fill_(value)
        engine.n_updates += 1
        swa.update()
    with swa.applied():
        averaged = model.weight.item()
    assert model.weight.item() == values[-1]
    return averaged


def test_swa_is_the_equal_mean_from_a_given_update_on():
    values = [4.0, -1.0, 2.5, 7.0, 1.0, -3.0]
    for first in range(1, len(values) + 1):
        expected = sum(values[first - 1 :]) / len(values[first - 1 :])
        assert values_averaged(values, first) == pytest.approx(expected, abs=1e-12)


def test_swa_is_the_newest_weights_before_it_begins():
    assert values_averaged([4.0, -1.0, 2.5], first=7) == 2.5


def test_swa_resumes_from_its_state():
    model, again = torch.nn.Linear(3, 3), torch.nn.Linear(3, 3)
    first, second = engine_of(model), engine_of(again)
    whole = Swa(first, first=2)
    for _ in range(4):
        model.weight.data.normal_()
        first.n_updates += 1
        whole.update()
    resumed = Swa(second, first=2)
    second.n_updates = first.n_updates
    resumed.restore(whole.state())
    model.weight.data.normal_()
    again.load_state_dict(model.state_dict())
    for engine, swa in ((first, whole), (second, resumed)):
        engine.n_updates += 1
        swa.update()
    assert all(torch.equal(value, resumed.state()[name]) for name, value in whole.state().items())


def test_swa_refuses_to_begin_before_the_first_update():
    with pytest.raises(ValueError, match="first must be 1 or more"):
        Swa(engine_of(torch.nn.Linear(1, 1)), 0)
