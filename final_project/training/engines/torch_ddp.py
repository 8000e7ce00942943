"""PyTorch itself: one process, or several under DistributedDataParallel."""

from __future__ import annotations

import contextlib
from pathlib import Path

import torch
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from final_project.settings import Precision, Training
from final_project.training.engines.base import Engine
from final_project.training.optim import adamw, parameter_groups
from final_project.training.weights import load_training_state, save_training_state
from final_project.training.world import World


class TorchEngine(Engine):
    name = "torch"

    def __init__(self, model: nn.Module, settings: Training, precision: Precision, world: World):
        super().__init__(world, precision)
        self.model = model.to(world.device)
        self.optimizer = adamw(parameter_groups(model, settings.lr, settings.weight_decay), settings, world.device)
        devices = [world.device.index] if world.device.type == "cuda" else None
        self.wrapper = DistributedDataParallel(model, device_ids=devices) if world.size > 1 else model

    def __call__(self, *inputs, **named_inputs):
        with self.autocast():
            return self.wrapper(*inputs, **named_inputs)

    def backward_pass(self, synchronise: bool) -> contextlib.AbstractContextManager:
        if synchronise or self.world.size == 1:
            return contextlib.nullcontext()
        return self.wrapper.no_sync()

    def backward(self, loss: torch.Tensor) -> None:
        # DistributedDataParallel averages over ranks where we want the sum
        (loss * self.world.size).backward()

    def step(self, max_grad_norm: float) -> float:
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), max_grad_norm or float("inf"))
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        return float(norm)

    def save(self, folder: Path) -> None:
        if self.world.is_first:
            save_training_state(folder, self.model, self.optimizer.state_dict())

    def load(self, folder: Path) -> None:
        self.optimizer.load_state_dict(load_training_state(folder, self.model, self.world.device))
