"""Weights as safetensors, also where an engine has made them views into buffers of its own."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import nn


def first_names(model: nn.Module) -> dict[str, str]:
    """Each weight's name -> the first name of the same tensor; the two differ for tied weights."""
    first: dict[tuple, str] = {}
    return {
        name: first.setdefault((tensor.data_ptr(), tensor.shape, tensor.stride()), name)
        for name, tensor in model.state_dict().items()
    }


def copied_weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """A state dict of copies; tied weights stay tied, and nothing is a view into a sharding buffer."""
    weights = model.state_dict()
    names = first_names(model)
    copies = {name: weights[name].detach().clone() for name in set(names.values())}
    return {name: copies[first] for name, first in names.items()}


def save_weights(model: nn.Module, path: Path) -> None:
    """Write every distinct tensor once, under the first of its names."""
    weights = model.state_dict()
    save_file({name: weights[name].detach().clone() for name in sorted(set(first_names(model).values()))}, path)


def load_weights(model: nn.Module, path: Path, device: torch.device) -> None:
    """Read what save_weights wrote, in place; raises RuntimeError or KeyError where names or shapes differ."""
    weights = load_file(path, device=str(device))
    model.load_state_dict({name: weights[first] for name, first in first_names(model).items()}, strict=True)


def save_training_state(folder: Path, model: nn.Module, optimizer_state: dict) -> None:
    """Weights as safetensors, the optimizer's state as a torch file of tensors and numbers."""
    save_weights(model, folder / "model.safetensors")
    torch.save(optimizer_state, folder / "optimizer.pt")


def load_training_state(folder: Path, model: nn.Module, device: torch.device) -> dict:
    """Load the weights into the model in place; returns the optimizer's state."""
    load_weights(model, folder / "model.safetensors", device)
    return torch.load(folder / "optimizer.pt", map_location=device, weights_only=True)
