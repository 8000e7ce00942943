"""Weights of a model by name, ties included, as safetensors files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import nn

from final_project.errors import ArtifactError


def first_names(model: nn.Module) -> dict[str, str]:
    """Each name of the state dict -> the first name of the same tensor. The two differ for tied weights."""
    first: dict[int, str] = {}
    return {name: first.setdefault(id(value), name) for name, value in model.state_dict(keep_vars=True).items()}


def distinct_weights(model: nn.Module) -> dict[str, torch.Tensor]:
    """Every weight and buffer once, by its first name. The values are the live parameters, possibly sharded."""
    live = model.state_dict(keep_vars=True)
    return {name: live[name] for name in dict.fromkeys(first_names(model).values())}


def with_ties(full: Mapping[str, torch.Tensor], model: nn.Module, module: nn.Module) -> dict[str, torch.Tensor]:
    """State dict of one module, from the whole model's full weights by first names. Tied weights are one tensor
    under all their names."""
    (prefix,) = [name for name, part in model.named_modules() if part is module]
    start = f"{prefix}." if prefix else ""
    return {
        name.removeprefix(start): full[first] for name, first in first_names(model).items() if name.startswith(start)
    }


def save_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    save_file({name: value.contiguous() for name, value in tensors.items()}, path)


def expect_names(path: Path, found: set[str], expected: set[str]) -> None:
    """Raises ArtifactError if a file's weights are not those of the model."""
    if missing := expected - found:
        raise ArtifactError(f"{path}: {len(missing)} weights of the model are missing, {min(missing)} among them")
    if foreign := found - expected:
        raise ArtifactError(f"{path}: {len(foreign)} weights are not the model's, {min(foreign)} among them")


def expect_shape(path: Path, file: safe_open, name: str, expected: tuple[int, ...]) -> None:
    """Raises ArtifactError if a tensor of an open file has another shape than the model's; copying would silently
    broadcast a smaller one."""
    if (found := tuple(file.get_slice(name).get_shape())) != expected:
        raise ArtifactError(f"{path}: {name} has shape {list(found)} where the model has {list(expected)}")
