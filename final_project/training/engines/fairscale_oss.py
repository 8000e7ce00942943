"""fairscale: optimizer state sharded over the ranks (OSS), gradients reduced to their owner (ShardedDataParallel)."""

from __future__ import annotations

import contextlib
from pathlib import Path

import torch
from fairscale.nn.data_parallel import ShardedDataParallel
from fairscale.optim.oss import OSS
from torch import nn

from final_project.settings import Precision, Training
from final_project.training.engines.base import Engine
from final_project.training.optim import BETAS, parameter_groups
from final_project.training.weights import load_training_state, save_training_state
from final_project.training.world import World


class FairscaleEngine(Engine):
    name = "fairscale"

    def __init__(self, model: nn.Module, settings: Training, precision: Precision, world: World):
        super().__init__(world, precision)
        self.model = model.to(world.device)
        groups = parameter_groups(model, settings.lr, settings.weight_decay)
        self.optimizer = OSS(groups, optim=torch.optim.AdamW, lr=settings.lr, betas=BETAS, eps=settings.adam_eps)
        # every gradient is reduced on its own, so that the sum does not depend on how parameters fill a bucket
        self.wrapper = ShardedDataParallel(model, self.optimizer, reduce_buffer_size=0)

    def __call__(self, *inputs, **named_inputs):
        with self.autocast():
            return self.wrapper(*inputs, **named_inputs)

    def backward_pass(self, synchronise: bool) -> contextlib.AbstractContextManager:
        # two synchronised passes in one step would corrupt the gradients without an error
        return contextlib.nullcontext() if synchronise else self.wrapper.no_sync()

    def backward(self, loss: torch.Tensor) -> None:
        (loss * self.world.size).backward()

    def step(self, max_grad_norm: float) -> float:
        # torch's own clipping would see only this rank's share of the gradients
        norm = self.optimizer.clip_grad_norm(max_grad_norm or float("inf"))
        self.optimizer.step()
        self.wrapper.zero_grad(set_to_none=True)
        return float(norm)

    def save(self, folder: Path) -> None:
        self.optimizer.consolidate_state_dict(recipient_rank=0)
        if self.world.is_first:
            save_training_state(folder, self.model, self.optimizer.state_dict())

    def load(self, folder: Path) -> None:
        self.optimizer.load_state_dict(load_training_state(folder, self.model, self.world.device))
