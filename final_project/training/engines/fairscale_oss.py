"""fairscale: optimizer state sharded over the ranks (OSS), gradients reduced to their owner (ShardedDataParallel)."""

from __future__ import annotations

import contextlib
import math

import torch
import torch.distributed as dist
from fairscale.nn.data_parallel import ShardedDataParallel
from fairscale.optim.oss import OSS
from torch import nn

from final_project.parallel.world import World
from final_project.settings import Precision, Training
from final_project.training.engines.engine import Engine
from final_project.training.optim import ParameterGroup, first_moments, optimizer_class, optimizer_groups, start_moments


class FairscaleEngine(Engine):
    name = "fairscale"
    wrapper: ShardedDataParallel
    optimizer: OSS

    def __init__(
        self, model: nn.Module, settings: Training, precision: Precision, world: World, groups: list[ParameterGroup]
    ):
        super().__init__(world, precision, settings)
        self.model = model.to(world.device)
        kind, options = optimizer_class(settings)
        self.optimizer = OSS(optimizer_groups(model, groups), optim=kind, **options)
        start_moments(self.inner_optimizer, settings.optimizer)
        # every gradient is reduced on its own, so that the sum does not depend on how parameters fill a bucket
        self.wrapper = ShardedDataParallel(model, self.optimizer, reduce_buffer_size=0)

    def backward_pass(self, synchronise: bool) -> contextlib.AbstractContextManager:
        # two synchronised passes in one step would corrupt the gradients without an error
        return contextlib.nullcontext() if synchronise else self.wrapper.no_sync()

    def _update(self, max_grad_norm: float) -> float:
        self._unscale_gradients()
        # torch's own clipping would see only this rank's share of the gradients
        norm = float(self.optimizer.clip_grad_norm(max_grad_norm or float("inf")))
        if math.isfinite(norm):
            self.optimizer.step()
        self.wrapper.zero_grad(set_to_none=True)
        return norm

    def take_gradients(self) -> dict[str, torch.Tensor]:
        taken = super().take_gradients()
        for name, weight in self.trained().items():
            dist.broadcast(taken[name], self._owner(weight))  # only the owner has the sum over ranks
        return taken

    @property
    def inner_optimizer(self) -> torch.optim.Optimizer:
        return self.optimizer.optim

    def moment(self, weight: nn.Parameter, key: str) -> torch.Tensor:
        owner = self._owner(weight)
        holder = (
            self.inner_optimizer.state[weight]
            if owner == self.world.rank
            else first_moments(self.optimizer_name, weight)
        )
        moment = holder[key]
        dist.broadcast(moment, owner)
        return moment

    def assign_moment(self, weight: nn.Parameter, key: str, value: torch.Tensor) -> None:
        if self._owner(weight) == self.world.rank:
            self.inner_optimizer.state[weight][key].copy_(value)

    def _owner(self, weight: nn.Parameter) -> int:
        return self.optimizer._param_to_rank[weight]
