"""PyTorch itself: one process, or several under DistributedDataParallel."""

from __future__ import annotations

import contextlib

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from final_project.parallel.world import World
from final_project.settings import Precision, Training
from final_project.training.engines.engine import Engine
from final_project.training.optim import ParameterGroup, build_optimizer, optimizer_groups, start_moments


class TorchEngine(Engine):
    name = "torch"

    def __init__(
        self, model: nn.Module, settings: Training, precision: Precision, world: World, groups: list[ParameterGroup]
    ):
        super().__init__(world, precision, settings)
        self.model = model.to(world.device)
        self.optimizer = build_optimizer(optimizer_groups(model, groups), settings)
        start_moments(self.inner_optimizer, settings.optimizer)
        devices = [world.device.index] if world.device.type == "cuda" else None
        self.wrapper = DistributedDataParallel(model, device_ids=devices) if world.size > 1 else model

    def backward_pass(self, synchronise: bool) -> contextlib.AbstractContextManager:
        if synchronise or self.world.size == 1:
            return contextlib.nullcontext()
        assert isinstance(self.wrapper, DistributedDataParallel)
        return self.wrapper.no_sync()

    def _update(self, max_grad_norm: float) -> float:
        self._unscale_gradients()
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), max_grad_norm or float("inf"))
        if norm.isfinite():
            self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(norm)

    @property
    def inner_optimizer(self) -> torch.optim.Optimizer:
        return self.optimizer

    def moment(self, weight: nn.Parameter, key: str) -> torch.Tensor:
        return self.inner_optimizer.state[weight][key]

    def assign_moment(self, weight: nn.Parameter, key: str, value: torch.Tensor) -> None:
        self.inner_optimizer.state[weight][key].copy_(value)
