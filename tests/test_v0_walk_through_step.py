"""An adversarial pass under a loss scale keeps its share of the update, and clipping acts on true gradients."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from targets_support import golden_essays
from torch import nn

from final_project.parallel.world import World
from final_project.settings import SimilarityV0
from final_project.training.engines import build_engine
from final_project.training.optim import ParameterGroup


def test_the_gradient_is_the_golden_right_one_and_not_the_published_walk_throughs():
    golden = golden_essays("walk_through_step.json")
    model = nn.Linear(4, 1, bias=False)
    group = [ParameterGroup("all", ["weight"], 1e-3, 0.0)]
    engine = build_engine("torch", model, SimilarityV0(), "fp32", World(), lambda *_: group)
    engine.loss_scale.value = golden["loss_scale"]
    for number, name in enumerate(("clean_gradient", "adversarial_gradient")):
        with engine.backward_pass(synchronise=number == 1):
            engine.backward(engine(torch.tensor([golden[name]])).sum())
    seen: list[torch.Tensor] = []
    engine.optimizer.register_step_pre_hook(lambda *_: seen.append(model.weight.grad[0].clone()))
    norm = engine.step(golden["max_grad_norm"])
    right, wrong = golden["right"], golden["walk_through"]
    np.testing.assert_allclose(seen[0], right["gradient_given_to_adam"], rtol=1e-5, atol=0)
    assert norm == pytest.approx(float(np.linalg.norm(right["gradient_given_to_adam"])), rel=1e-5)
    assert not np.allclose(seen[0], wrong["gradient_given_to_adam"], rtol=0.5)
    share = float(np.linalg.norm(golden["adversarial_gradient"]) / seen[0].norm())
    assert share == pytest.approx(right["share_of_the_adversarial_part"], rel=1e-5)
    assert share > 100 * wrong["share_of_the_adversarial_part"]
