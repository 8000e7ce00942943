"""Which arithmetic the forward pass uses: float32, or bfloat16 under autocast with float32 weights."""

from __future__ import annotations

import contextlib

import torch

from final_project.errors import EnvironmentProblem
from final_project.settings import Precision


def resolve_precision(wanted: Precision, device: torch.device) -> Precision:
    """`auto` becomes bf16 where the device computes in it natively, else fp32."""
    native = _has_bf16(device)
    if wanted == "auto":
        return "bf16" if native else "fp32"
    if wanted == "bf16" and device.type == "cuda" and not native:
        raise EnvironmentProblem(f"{torch.cuda.get_device_name(device)} has no bfloat16: set precision=fp32")
    return wanted


def autocast(precision: Precision, device: torch.device) -> contextlib.AbstractContextManager:
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=torch.bfloat16)


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def at_least_float32(logits: torch.Tensor) -> torch.Tensor:
    """bfloat16 logits widened for the loss; float32 and float64 as they are."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
