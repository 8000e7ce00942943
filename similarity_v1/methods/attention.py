"""What the model looks at: attention in the last layer, and attention rolled out over all layers.

Neither knows the target: they say where the first token ([CLS]) looks, not what it decides.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from final_project.errors import ArtifactError
from similarity_v1.methods.base import Scores
from similarity_v1.probe import Probe, base_of


@dataclass(frozen=True)
class Attention:
    """Attention of [CLS] to each token in the last layer, mean over the heads."""

    needs_gradient: ClassVar[bool] = False

    def __call__(self, probe: Probe) -> Scores:
        return Scores(attentions(probe)[-1][:, 0] * probe.mask_BT)


@dataclass(frozen=True)
class AttentionRollout:
    """The product over the layers of (A + I) / 2, A the mean over the heads, row of [CLS] (Abnar and Zuidema 2020)."""

    needs_gradient: ClassVar[bool] = False

    def __call__(self, probe: Probe) -> Scores:
        from_cls_BT = torch.zeros_like(probe.mask_BT, dtype=torch.float32)
        from_cls_BT[:, 0] = 1
        for attention_BTT in reversed(attentions(probe)):
            from_cls_BT = 0.5 * (from_cls_BT + torch.einsum("bt,btu->bu", from_cls_BT, attention_BTT))
        return Scores(from_cls_BT * probe.mask_BT)


def attentions(probe: Probe) -> list[Tensor]:
    """(B, T, T) per layer, mean over the heads, each row's sum 1. Raises ArtifactError where the model gives none."""
    encoder = base_of(probe.model)
    with torch.no_grad(), written_out_attention(encoder):
        layers = getattr(encoder(**probe.inputs, output_attentions=True), "attentions", None)
    if not layers or any(layer is None for layer in layers):
        raise ArtifactError(f"a {probe.model.config.model_type} model does not tell its attention: use another method")
    return [layer_BATT.float().mean(dim=1) for layer_BATT in layers]


@contextlib.contextmanager
def written_out_attention(encoder: Any) -> Iterator[None]:
    """While open, attention is computed step by step: fused kernels do not give their weights away."""
    fused = encoder.config._attn_implementation
    if fused == "eager":
        yield
        return
    encoder.set_attn_implementation("eager")
    try:
        yield
    finally:
        encoder.set_attn_implementation(fused)
