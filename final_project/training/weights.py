"""Weights as safetensors, also where an engine has made them views into buffers of its own."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn


def copied_weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """A state dict of copies; tied weights stay tied, and nothing is a view into a sharding buffer."""
    copies: dict[tuple, torch.Tensor] = {}
    weights = {}
    for name, tensor in model.state_dict().items():
        place = (tensor.data_ptr(), tensor.shape, tensor.stride())
        weights[name] = copies.setdefault(place, tensor.detach().clone())
    return weights


def save_weights(model: nn.Module, path: Path) -> None:
    """Write every distinct tensor once, under the first of its names."""
    named: dict[int, str] = {}
    weights = copied_weights(model)
    for name, tensor in weights.items():
        named.setdefault(id(tensor), name)
    save_file({name: tensor for name, tensor in weights.items() if named[id(tensor)] == name}, path)


def load_weights(model: nn.Module, path: Path, device: torch.device) -> None:
    """Read what save_weights wrote, in place; raises RuntimeError where names or shapes differ."""
    weights = load_file(path, device=str(device))
    own = copied_weights(model)
    first_name: dict[int, str] = {}
    for name, tensor in own.items():
        first_name.setdefault(id(tensor), name)
    model.load_state_dict({name: weights.get(first_name[id(tensor)]) for name, tensor in own.items()}, strict=True)


def save_training_state(folder: Path, model: nn.Module, optimizer_state: dict) -> None:
    """Weights as safetensors, the optimizer's state as a torch file of tensors and numbers."""
    save_weights(model, folder / "model.safetensors")
    torch.save(optimizer_state, folder / "optimizer.pt")


def load_training_state(folder: Path, model: nn.Module, device: torch.device) -> dict:
    """Load the weights into the model in place; returns the optimizer's state."""
    load_weights(model, folder / "model.safetensors", device)
    return torch.load(folder / "optimizer.pt", map_location=device, weights_only=True)
