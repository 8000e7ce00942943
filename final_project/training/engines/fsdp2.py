"""torch's FSDP2 (fully_shard): weights, gradients and moments are DTensors, sharded over the ranks along their
first dimension. A layer's weights are gathered only while it computes."""

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
from final_project.training.engines.engine import Engine, local
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
        # the root is resharded after a forward too, so that the next forward sees values written into the shards
        self._sharded = fully_shard(model, mesh=mesh, reshard_after_forward=True)  # the same object
        self.model = self.wrapper = model
        self.optimizer = build_optimizer(optimizer_groups(model, groups), settings)
        start_moments(self.inner_optimizer, settings.optimizer)

    def backward_pass(self, synchronise: bool) -> contextlib.AbstractContextManager:
        self._sharded.set_requires_gradient_sync(synchronise)
        return contextlib.nullcontext()

    def _update(self, max_grad_norm: float) -> float:
        self._unscale_gradients()
        sharded_norm = nn.utils.clip_grad_norm_(self.model.parameters(), max_grad_norm or float("inf"))
        assert isinstance(sharded_norm, DTensor)
        norm = sharded_norm.full_tensor()
        if norm.isfinite():
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(norm)

    def whole(self, weight: torch.Tensor) -> torch.Tensor:
        detached = weight.detach()
        return detached.full_tensor() if isinstance(detached, DTensor) else detached

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
        return {name: local(weight.detach()) for name, weight in self.trained().items()}


def _cut_like(weight: DTensor, value: torch.Tensor) -> DTensor:
    # src_data_rank None: every rank has the value and takes its own shard; nothing is sent
    return distribute_tensor(value.to(weight.device), weight.device_mesh, weight.placements, src_data_rank=None)
