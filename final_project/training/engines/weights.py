"""Weights as safetensors and optimizer state as a tensors-only torch file, for the engines that keep both whole."""

from __future__ import annotations

from pathlib import Path

import torch
from safetensors.torch import load_model, save_model
from torch import nn


def save_training_state(folder: Path, model: nn.Module, optimizer_state: dict) -> None:
    save_model(model, str(folder / "model.safetensors"))
    torch.save(optimizer_state, folder / "optimizer.pt")


def load_training_state(folder: Path, model: nn.Module, device: torch.device) -> dict:
    """Load the weights into the model in place; returns the optimizer's state."""
    load_model(model, str(folder / "model.safetensors"), device=str(device))
    return torch.load(folder / "optimizer.pt", map_location=device, weights_only=True)
