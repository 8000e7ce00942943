"""NVIDIA's apex, if it is installed: its fused layer norm on CUDA devices.

apex is a build from source. The package of that name on the Python index is an unrelated web toolkit; the
files show which one is installed, without an import.
"""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Literal

import torch
from torch import nn

ApexStatus = Literal["absent", "nvidia", "unrelated"]


def apex_status() -> ApexStatus:
    found = importlib.util.find_spec("apex")
    if found is None:
        return "absent"
    folders = [Path(place) for place in found.submodule_search_locations or []]
    is_nvidia = any((folder / "normalization" / "fused_layer_norm.py").is_file() for folder in folders)
    return "nvidia" if is_nvidia else "unrelated"


def use_fused_layer_norms(model: nn.Module, device: torch.device) -> int:
    """Replace nn.LayerNorm by apex's on a CUDA device; weights and their names stay. Returns the number replaced."""
    if device.type != "cuda" or apex_status() != "nvidia":
        return 0
    from apex.normalization import FusedLayerNorm

    replaced = 0
    for parent in list(model.modules()):
        for name, child in list(parent.named_children()):
            if type(child) is nn.LayerNorm:
                fused = FusedLayerNorm(child.normalized_shape, eps=child.eps)
                fused.weight, fused.bias = child.weight, child.bias
                setattr(parent, name, fused)
                replaced += 1
    return replaced
