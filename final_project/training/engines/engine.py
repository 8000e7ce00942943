"""The interface of all engines.

Each stage's train_step is written once and runs on every engine:

    for micro_batch in micro_batches:
        with engine.backward_pass(synchronise=last):     # gradients are exchanged in the last pass only
            loss = ... engine(...) ... / n_rows_of_the_whole_step
            engine.backward(loss)
    grad_norm = engine.step(max_grad_norm)

Losses are divided by the number of rows in the whole step over all ranks, and gradients are summed over ranks; so every
number of processes and micro-batches gives the same update.

Weights and moments are read and written in full, one weight at a time (see full_state.py), so that checkpoints and
exports depend neither on the engine nor on the number of ranks.
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
    """Attributes: `wrapper`, the module that a training forward calls; `optimizer`, with torch's param_groups; and
    those of FullState."""

    name: str
    weights_are_cut = False  # whether each rank holds only a part of every weight
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
        """Context of one forward and backward. synchronise: exchange gradients between ranks; True in the last pass of
        a step and only there."""

    def backward(self, loss: torch.Tensor) -> None:
        """Add the gradient of the loss, summed over ranks."""
        # engines average over ranks; times size gives the sum
        (loss * (self.world.size * self.loss_scale.value)).backward()

    def pointing_pass(self) -> contextlib.AbstractContextManager:
        """Context of one forward and backward_to: a direction-only pass, which exchanges nothing and adds no weight
        gradients."""
        return self.backward_pass(synchronise=False)

    def backward_to(self, loss: torch.Tensor, tensor: torch.Tensor) -> None:
        """Compute the gradient of the loss with respect to a tensor of the forward, on this rank only; its hooks
        receive it."""
        torch.autograd.grad(loss * self.loss_scale.value, tensor)

    def take_gradients(self) -> dict[str, torch.Tensor]:
        """The gradients of the passes so far, summed over ranks, in the layout of parts(), times the loss scale. The
        engine's gradients are cleared. Called on every rank, after a pass that exchanged gradients."""
        taken = {
            name: torch.zeros_like(part) if (gradient := self.trained()[name].grad) is None else local(gradient).clone()
            for name, part in self.parts().items()
        }
        self.optimizer.zero_grad(set_to_none=True)
        return taken

    def reverse_gradients(self) -> None:
        """Multiply the gradients of the passes so far by -1. Called on every rank, after a pass that exchanged them."""
        for gradient in self.gradients():
            gradient.neg_()

    def gradients(self) -> list[torch.Tensor]:
        """The gradients that the next update will take, so far as this rank holds them."""
        return [weight.grad for weight in self.trained().values() if weight.grad is not None]

    def matrix_norms(self, parts: Mapping[str, torch.Tensor]) -> dict[str, float]:
        """Euclidean norm of each whole weight of two or more dimensions. parts: this rank's parts, in the layout of
        parts(). Called on every rank."""
        matrices = {name: weight for name, weight in self.trained().items() if len(self.shape(weight)) > 1}
        held = [self.without_padding(weight, parts[name]) for name, weight in matrices.items()]
        squares = torch.stack([part.double().square().sum() for part in held]).tolist()
        if self.weights_are_cut:
            squares = self.world.sum(*squares)
        return {name: math.sqrt(square) for name, square in zip(matrices, squares, strict=True)}

    def without_padding(self, weight: nn.Parameter, part: torch.Tensor) -> torch.Tensor:
        """The part without the padding that an engine adds."""
        return part

    def step(self, max_grad_norm: float) -> float:
        """Clip (0 = do not), update the weights, clear the gradients; returns the norm before clipping.

        If a gradient is not finite, no rank updates anything, and the returned norm is not finite.
        """
        norm = self._update(max_grad_norm)
        is_finite = math.isfinite(norm)
        self.n_updates += is_finite
        self.loss_scale.update(is_finite)
        return norm

    @abstractmethod
    def _update(self, max_grad_norm: float) -> float:
        """The engine's part of step(). Gradients include the loss scale; the returned norm does not."""

    def _unscale_gradients(self) -> None:
        if self.loss_scale.value != 1.0:
            gradients = [weight.grad for weight in self.trained().values() if weight.grad is not None]
            torch._foreach_mul_(gradients, 1.0 / self.loss_scale.value)

    def evidence(self) -> dict[str, Any]:
        """For the manifest: the classes in use, and the share of weights and moments that this rank holds."""
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
        """Total size of all moments of all trained weights over all ranks, in numbers."""
        if self.optimizer_name == "adafactor":
            firsts = [first_moments(self.optimizer_name, weight) for weight in self.trained().values()]
            return sum(moment.numel() for moments in firsts for moment in moments.values())
        return len(MOMENTS[self.optimizer_name]) * sum(self.numel(weight) for weight in self.trained().values())

    def numel(self, weight: nn.Parameter) -> int:
        return math.prod(self.shape(weight))


def local(tensor: torch.Tensor) -> torch.Tensor:
    """This rank's part of a DTensor; any other tensor unchanged."""
    return tensor.to_local() if hasattr(tensor, "to_local") else tensor
