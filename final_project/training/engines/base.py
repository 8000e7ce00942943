"""The one interface behind which every engine lives.

A step of training, written once in each stage's train_step, is the same on all of them:

    for micro_batch in micro_batches:
        with engine.backward_pass(synchronise=last):     # gradients are exchanged in the last pass only
            loss = ... engine(...) ... / n_rows_of_the_whole_step
            engine.backward(loss)
    grad_norm = engine.step(max_grad_norm)

Losses are divided by the number of rows in the whole step over all ranks, and gradients are summed over ranks; so any
number of processes and any accumulation give the same update.
"""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any

import torch
from torch import nn

from final_project.settings import Precision
from final_project.training.precision import autocast
from final_project.training.world import World


class Engine(ABC):
    """Attributes: `model`, the plain module whose weights are trained; `wrapper`, what a forward goes through;
    `optimizer`, with torch's param_groups."""

    name: str
    model: nn.Module
    wrapper: nn.Module
    optimizer: torch.optim.Optimizer

    def __init__(self, world: World, precision: Precision):
        self.world = world
        self.precision = precision

    @abstractmethod
    def __call__(self, *inputs: Any, **named_inputs: Any) -> Any:
        """The forward pass, in the engine's precision."""

    @abstractmethod
    def backward_pass(self, synchronise: bool) -> contextlib.AbstractContextManager:
        """Surrounds one forward and backward; gradients are exchanged between ranks only where synchronise is True,
        which must be the case in the last pass of a step and in no other."""

    @abstractmethod
    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradient of the loss, summed over ranks."""

    @abstractmethod
    def step(self, max_grad_norm: float) -> float:
        """Clip (0 = do not), update the weights, clear the gradients; returns the norm before clipping."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write weights and optimizer into an existing folder. Called on every rank."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Take up what save wrote. Called on every rank."""

    def evidence(self) -> dict[str, str]:
        """Which classes really do the work, for the manifest: the wrapper, if any, and the optimizer."""
        return {"name": self.name, "wrapper": type(self.wrapper).__name__, "optimizer": type(self.optimizer).__name__}

    def autocast(self) -> contextlib.AbstractContextManager:
        return autocast(self.precision, self.world.device)
