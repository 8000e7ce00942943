"""Compute dtype of the forward pass: float32, or a 16-bit type under autocast with float32 weights.

fp16 has a small exponent range, so its loss is multiplied by a scale that follows the gradients (LossScale).
"""

from __future__ import annotations

import contextlib

import torch

from final_project.errors import RecipeError
from final_project.settings import Precision

DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16}

FIRST_SCALE = 2.0**16
GROW_AFTER = 2000
"""Both as in torch.amp.GradScaler."""


def resolve_precision(wanted: Precision, device: torch.device) -> Precision:
    """`auto` becomes bf16 if the device supports it natively, else fp32. Raises RecipeError if the device does not
    support the wanted precision."""
    native = _has_bf16(device)
    if wanted == "auto":
        return "bf16" if native else "fp32"
    if wanted == "bf16" and device.type == "cuda" and not native:
        raise RecipeError([f"{torch.cuda.get_device_name(device)} has no bfloat16: set precision=fp16 or fp32"])
    if wanted == "fp16" and device.type != "cuda":
        raise RecipeError([f"fp16 needs a CUDA device, found {device.type}: set precision=bf16, fp32 or auto"])
    return wanted


def autocast(precision: Precision, device: torch.device) -> contextlib.AbstractContextManager:
    if precision == "fp32":
        return contextlib.nullcontext()
    return torch.autocast(device.type, dtype=DTYPES[precision])


def _has_bf16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()


def at_least_float32(logits: torch.Tensor) -> torch.Tensor:
    """Convert 16-bit logits to float32 for the loss; float32 and float64 stay."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))


class LossScale:
    """The factor of the loss before the backward pass, so that small fp16 gradients do not underflow.

    Halved after a step whose gradients were not finite, doubled after GROW_AFTER good ones; fixed at 1 in other
    precisions. The rule is torch.amp.GradScaler's, applied to the gradient norm over all ranks, which every engine
    computes anyway. So ranks with different shards agree, and a checkpoint fits every engine.
    """

    def __init__(self, precision: Precision):
        self._follows = precision == "fp16"
        self.value = FIRST_SCALE if self._follows else 1.0
        self._good_steps = 0

    def update(self, is_finite: bool) -> None:
        """Adjust the scale after a step."""
        if not self._follows:
            return
        self._good_steps = self._good_steps + 1 if is_finite else 0
        if not is_finite:
            self.value = max(1.0, self.value / 2)
        elif self._good_steps % GROW_AFTER == 0:
            self.value *= 2

    def state(self) -> dict:
        return {"value": self.value, "good_steps": self._good_steps}

    def restore(self, state: dict) -> None:
        if self._follows:
            self.value, self._good_steps = state["value"], state["good_steps"]
