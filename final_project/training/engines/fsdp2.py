"""torch's FSDP2 (fully_shard): weights, gradients and moments are DTensors, cut over the ranks by their first
dimension. A layer's weights are whole only while it computes."""

from __future__ import annotations

import contextlib

import torch
from torch import nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor
from transformers.modeling_layers import GradientCheckpointingLayer

from final_project.parallel.world import World
from final_project.settings import Precision, Training
from final_project.training.engines.base import Engine
from final_project.training.optim import ParameterGroup, build_optimizer, optimizer_groups, start_moments


class Fsdp2Engine(Engine):
    name = "fsdp2"
    weights_are_cut = True

    def __init__(
        self, model: nn.Module, settings: Training, precision: Precision, world: World, groups: list[ParameterGroup]
    ):
        super().__init__(world, precision, settings)
        mesh = init_device_mesh(world.device.type, (world.size,))
        for layer in [part for part in model.modules() if isinstance(part, GradientCheckpointingLayer)]:
            fully_shard(layer, mesh=mesh)
        # the root, too, gives its whole weights up after a forward: what is written into the shards is then seen by
        # the next one
        self.model = self.wrapper = fully_shard(model, mesh=mesh, reshard_after_forward=True)
        self.optimizer = build_optimizer(optimizer_groups(model, groups), settings)
        start_moments(self.inner_optimizer, settings.optimizer)

    def backward_pass(self, synchronise: bool) -> contextlib.AbstractContextManager:
        self.wrapper.set_requires_gradient_sync(synchronise)
        return contextlib.nullcontext()

    def _update(self, max_grad_norm: float) -> float:
        self._unscale_gradients()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), max_grad_norm or float("inf")).full_tensor()
        if norm.isfinite():
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(norm)

    def whole(self, weight: torch.Tensor) -> torch.Tensor:
        return weight.detach().full_tensor() if isinstance(weight, DTensor) else weight

    def assign(self, weight: torch.Tensor, value: torch.Tensor) -> None:
        weight.detach().copy_(_cut_like(weight, value) if isinstance(weight, DTensor) else value)

    @property
    def inner_optimizer(self) -> torch.optim.Optimizer:
        return self.optimizer

    def moment(self, weight: nn.Parameter, key: str) -> torch.Tensor:
        return self.whole(self.inner_optimizer.state[weight][key])

    def assign_moment(self, weight: nn.Parameter, key: str, value: torch.Tensor) -> None:
        self.assign(self.inner_optimizer.state[weight][key], value)

    def parts(self) -> dict[str, torch.Tensor]:
        return {name: weight.detach().to_local() for name, weight in self.trained().items()}


def _cut_like(weight: DTensor, value: torch.Tensor) -> DTensor:
    # src_data_rank None: every rank has the value and cuts out its own part, nothing is sent
    return distribute_tensor(value.to(weight.device), weight.device_mesh, weight.placements, src_data_rank=None)
