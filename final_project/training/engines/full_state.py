"""An engine's weights and optimizer moments in full, by the names of the model's weights, however they are sharded.

A checkpoint is a folder of plain files that any engine on any number of ranks can read:
    model.safetensors
    exp_avg.safetensors  exp_avg_sq.safetensors      the optimizer's moments, by torch's names
    engine.json          updates taken, loss scale
One weight at a time is gathered; only the first rank ever holds a full copy, and only of one of these files. Every
rank reads the files itself, one tensor at a time, and keeps its part.
"""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import TypeVar

import torch
from safetensors import SafetensorError, safe_open
from torch import nn

from final_project.artifacts import write_json
from final_project.parallel.world import World
from final_project.settings.training import Optimizer
from final_project.training.optim import MOMENTS, has_moment
from final_project.training.precision import LossScale
from final_project.training.weights import distinct_weights, expect_names, expect_shape, save_tensors

WEIGHTS_FILE = "model.safetensors"
COUNTS_FILE = "engine.json"

TensorKind = TypeVar("TensorKind", bound=torch.Tensor)


class FullState(ABC):
    """The part of an engine that reads and writes its weights and moments. All methods are called on every rank.

    Attributes: `model`, the module whose weights are trained, callable on every rank alike for evaluation;
    `n_updates`, the updates taken so far; `loss_scale`; `optimizer_name`, the recipe's.
    """

    model: nn.Module

    def __init__(self, world: World, loss_scale: LossScale, optimizer_name: Optimizer):
        self.world = world
        self.optimizer_name = optimizer_name
        self.loss_scale = loss_scale
        self.n_updates = 0

    # --- what a sharding engine overrides -----------------------------------------------------------------------------

    def whole(self, weight: torch.Tensor) -> torch.Tensor:
        """A weight or buffer in full, on every rank."""
        return weight.detach()

    def assign(self, weight: torch.Tensor, value: torch.Tensor) -> None:
        """Copy a full value into a weight or buffer; where it is sharded, only this rank's part."""
        weight.detach().copy_(value)

    def weights_changed(self) -> None:  # noqa: B027
        """Called after weights were assigned. Engines that keep a second copy refresh it here."""

    @property
    @abstractmethod
    def inner_optimizer(self) -> torch.optim.Optimizer:
        """torch's optimizer that holds this rank's moments."""

    @abstractmethod
    def moment(self, weight: nn.Parameter, key: str) -> torch.Tensor:
        """One of the optimizer's MOMENTS of a trained weight, in full, on every rank."""

    @abstractmethod
    def assign_moment(self, weight: nn.Parameter, key: str, value: torch.Tensor) -> None:
        """Write a full moment, or this rank's part of it."""

    def parts(self) -> dict[str, torch.Tensor]:
        """This rank's part of each trained weight; read-only."""
        return {name: weight.detach() for name, weight in self.trained().items()}

    def shape(self, weight: torch.Tensor) -> tuple[int, ...]:
        """Shape of the whole weight."""
        return tuple(weight.shape)

    def set_parts(self, parts: Mapping[str, torch.Tensor]) -> None:
        """Overwrite this rank's part of each trained weight for the next forward passes. Restore the previous parts
        before the next update."""
        for name, part in self.parts().items():
            part.copy_(parts[name])

    # --- built on these -----------------------------------------------------------------------------------------------

    def trained(self) -> dict[str, nn.Parameter]:
        """The weights that are trained, by their first names; sharded where the engine shards them."""
        return {name: weight for name, weight in self.model.named_parameters() if weight.requires_grad}

    def full_weights(self) -> dict[str, torch.Tensor]:
        """Every weight and buffer in full, by its first name, in CPU memory of the first rank; empty on the others."""
        return self._gathered(distinct_weights(self.model), self.whole)

    def set_weights(self, read: Callable[[str], torch.Tensor]) -> None:
        """Assign every weight and buffer; read(name) gives its full value on every rank."""
        for name, weight in distinct_weights(self.model).items():
            self.assign(weight, read(name))
        self.weights_changed()

    def load_weights(self, path: Path) -> None:
        """Load full_weights() from a file. Raises ArtifactError if its names or shapes differ from the model's."""
        with safe_open(path, framework="pt") as file:
            weights = distinct_weights(self.model)
            expect_names(path, set(file.keys()), set(weights))
            for name, weight in weights.items():
                expect_shape(path, file, name, self.shape(weight))
            self.set_weights(file.get_tensor)

    def save(self, folder: Path) -> None:
        """Write weights, moments and counts into an existing folder; the first rank writes."""
        problem = self._written(folder / WEIGHTS_FILE, self.full_weights())
        for key in MOMENTS[self.optimizer_name]:
            moments = self._gathered(self._having(key), partial(self.moment, key=key))
            problem = problem or self._written(folder / f"{key}.safetensors", moments)
            del moments  # before the next ones are gathered
        if problem:
            raise problem
        if self.world.is_first:
            write_json(folder / COUNTS_FILE, {"updates": self.n_updates, "loss_scale": self.loss_scale.state()})

    def load(self, folder: Path) -> None:
        """Load what save() wrote, on any engine and number of ranks."""
        counts = json.loads((folder / COUNTS_FILE).read_text(encoding="utf-8"))
        self.load_weights(folder / WEIGHTS_FILE)
        self.n_updates = counts["updates"]
        self.loss_scale.restore(counts["loss_scale"])
        for state in self.inner_optimizer.state.values():
            if "step" in state:
                state["step"].fill_(self.n_updates)
        for key in MOMENTS[self.optimizer_name]:
            path, having = folder / f"{key}.safetensors", self._having(key)
            with safe_open(path, framework="pt") as file:
                expect_names(path, set(file.keys()), set(having))
                for name, weight in having.items():
                    if self.optimizer_name != "adafactor":  # keeps row and column means, of other shapes
                        expect_shape(path, file, name, self.shape(weight))
                    self.assign_moment(weight, key, file.get_tensor(name))

    def _having(self, key: str) -> dict[str, nn.Parameter]:
        """The trained weights of which the optimizer keeps this moment."""
        return {n: weight for n, weight in self.trained().items() if has_moment(self.optimizer_name, key, weight)}

    def _gathered(
        self, tensors: Mapping[str, TensorKind], whole: Callable[[TensorKind], torch.Tensor]
    ) -> dict[str, torch.Tensor]:
        """Copies of the full tensors in CPU memory of the first rank; nothing on the others."""
        full = {}
        for name, tensor in tensors.items():
            value = whole(tensor)
            if self.world.is_first:
                full[name] = value.detach().to("cpu", copy=True)
        return full

    def _written(self, path: Path, full: dict[str, torch.Tensor]) -> Exception | None:
        """Write on the first rank. An error there (usually a full disk) is returned, not raised: the other ranks
        are on their way to the next collective and would wait in it forever."""
        try:
            if self.world.is_first:
                save_tensors(path, full)
        except (OSError, SafetensorError) as error:
            return error
        return None
