"""The one interface behind which every engine lives.

A step of training, written once in each stage's train_step, is the same on all of them:

    for micro_batch in micro_batches:
        with engine.backward_pass(synchronise=last):     # gradients are exchanged in the last pass only
            loss = ... engine(...) ... / n_rows_of_the_whole_step
            engine.backward(loss)
    grad_norm = engine.step(max_grad_norm)

Losses are divided by the number of rows in the whole step over all ranks, and gradients are summed over ranks; so any
number of processes and any accumulation give the same update.

What an engine has trained is read and written in full, weight by weight (see full_state.py), so that a checkpoint or
an export depends neither on the engine nor on the number of ranks.
"""

from __future__ import annotations

import contextlib
import math
from abc import abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from final_project.parallel.world import World
from final_project.settings import Precision, Training
from final_project.training.engines.full_state import FullState
from final_project.training.optim import MOMENTS, first_moments
from final_project.training.precision import LossScale, autocast


class Engine(FullState):
    """Attributes: `wrapper`, what a forward of training goes through; `optimizer`, with torch's param_groups; and those
    of FullState."""

    name: str
    weights_are_cut = False  # whether each rank holds but a part of every weight
    wrapper: nn.Module
    optimizer: torch.optim.Optimizer

    def __init__(self, world: World, precision: Precision, settings: Training):
        super().__init__(world, LossScale(precision), settings.optimizer)
        self.precision = precision

    def __call__(self, *inputs: Any, **named_inputs: Any) -> Any:
        """The forward pass, in the engine's precision."""
        with self.autocast():
            return self.wrapper(*inputs, **named_inputs)

    def autocast(self) -> contextlib.AbstractContextManager:
        return autocast(self.precision, self.world.device)

    @abstractmethod
    def backward_pass(self, synchronise: bool) -> contextlib.AbstractContextManager:
        """Surrounds one forward and backward; gradients are exchanged between ranks only where synchronise is True,
        which must be the case in the last pass of a step and in no other."""

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradient of the loss, summed over ranks."""
        # all engines average over ranks where we want the sum
        (loss * (self.world.size * self.loss_scale.value)).backward()

    def pointing_pass(self) -> contextlib.AbstractContextManager:
        """Surrounds one forward and backward_to: a pass that exchanges nothing and leaves no weight a gradient."""
        return self.backward_pass(synchronise=False)

    def backward_to(self, loss: torch.Tensor, tensor: torch.Tensor) -> None:
        """Take the gradient of the loss back to a tensor inside the forward, on this rank alone; its hooks see it."""
        torch.autograd.grad(loss * self.loss_scale.value, tensor)

    def take_gradients(self) -> dict[str, torch.Tensor]:
        """The gradients of the passes so far, summed over ranks, in the layout of parts(), times the loss scale. They
        are cleared, and the step starts anew. Called on every rank, after a pass that exchanged gradients."""
        taken = {
            name: torch.zeros_like(part) if (gradient := self.trained()[name].grad) is None else local(gradient).clone()
            for name, part in self.parts().items()
        }
        self.optimizer.zero_grad(set_to_none=True)
        return taken

    def matrix_norms(self, parts: Mapping[str, torch.Tensor]) -> dict[str, float]:
        """Euclidean norm of each whole weight of two dimensions or more, from what this rank holds of it in the layout
        of parts(). Called on every rank."""
        matrices = {name: weight for name, weight in self.trained().items() if len(self.shape(weight)) > 1}
        held = [self.without_padding(weight, parts[name]) for name, weight in matrices.items()]
        squares = torch.stack([part.double().square().sum() for part in held]).tolist()
        if self.weights_are_cut:
            squares = self.world.sum(*squares)
        return {name: math.sqrt(square) for name, square in zip(matrices, squares, strict=True)}

    def without_padding(self, weight: nn.Parameter, part: torch.Tensor) -> torch.Tensor:
        """What of a part belongs to the weight."""
        return part

    def step(self, max_grad_norm: float) -> float:
        """Clip (0 = do not), update the weights, clear the gradients; returns the norm before clipping.

        Where a gradient is not finite nothing is updated on any rank, and the norm that is returned is not finite.
        """
        norm = self._update(max_grad_norm)
        is_finite = math.isfinite(norm)
        self.n_updates += is_finite
        self.loss_scale.update(is_finite)
        return norm

    @abstractmethod
    def _update(self, max_grad_norm: float) -> float:
        """What step does, with gradients that carry the loss scale; the returned norm does not."""

    def _unscale_gradients(self) -> None:
        if self.loss_scale.value != 1.0:
            gradients = [weight.grad for weight in self.trained().values() if weight.grad is not None]
            torch._foreach_mul_(gradients, 1.0 / self.loss_scale.value)

    def evidence(self) -> dict[str, Any]:
        """Which classes really do the work, for the manifest, and what share of weights and moments this rank holds."""
        n_trained = sum(self.numel(weight) for weight in self.trained().values())
        moments = [state[key] for state in self.inner_optimizer.state.values() for key in state if key != "step"]
        return {
            "name": self.name,
            "wrapper": type(self.wrapper).__name__,
            "optimizer": type(self.optimizer).__name__,
            "weights": ", ".join(sorted({type(weight.data).__name__ for weight in self.trained().values()})),
            "weights_held": round(sum(part.numel() for part in self.parts().values()) / n_trained, 3),
            "moments_held": round(sum(local(moment).numel() for moment in moments) / self._n_moments(), 3),
            "moments_on": ", ".join(sorted({moment.device.type for moment in moments})),
        }

    def _n_moments(self) -> int:
        """Numbers in all moments of all trained weights, over all ranks."""
        if self.optimizer_name == "adafactor":
            firsts = [first_moments(self.optimizer_name, weight) for weight in self.trained().values()]
            return sum(moment.numel() for moments in firsts for moment in moments.values())
        return len(MOMENTS[self.optimizer_name]) * sum(self.numel(weight) for weight in self.trained().values())

    def numel(self, weight: nn.Parameter) -> int:
        return math.prod(self.shape(weight))


def local(tensor: torch.Tensor) -> torch.Tensor:
    """What this rank holds of a tensor: its part of a DTensor, all of any other."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor
