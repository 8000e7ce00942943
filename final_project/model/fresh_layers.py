"""Draw the top layers of an encoder anew, as its own class draws them, so that fine-tuning does not start from what
they have learnt for another task (Zhang et al. 2021, "Revisiting few-sample BERT fine-tuning", arXiv 2006.05987)."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from transformers.modeling_layers import GradientCheckpointingLayer

from final_project.errors import ArtifactError


@torch.no_grad()
def draw_top_layers(encoder: Any, n_layers: int, seed: int) -> None:
    """Give every module of the n_layers top layers of an encoder of transformers, and its pooler, initial values:
    matrices from N(0, initializer_range), biases 0, LayerNorm 1 and 0. Changes the weights in place; torch's own
    generator is left alone, and 0 layers change nothing.

    Raises ArtifactError if there are fewer layers, if layers share their weights, or if one has a weight that this
    rule does not know.
    """
    if not n_layers:
        return
    layers = [part for part in encoder.modules() if isinstance(part, GradientCheckpointingLayer)]
    n_there, kind = encoder.config.num_hidden_layers, encoder.config.model_type
    if n_layers > n_there:
        raise ArtifactError(f"reinit_layers {n_layers}: the encoder has {n_there} layers")
    if len(layers) != n_there:
        raise ArtifactError(
            f"reinit_layers {n_layers}: the encoder ({kind}) has {len(layers)} layer modules for its {n_there} layers, "
            "so no layer can be drawn anew alone"
        )
    parts = [module for layer in layers[-n_layers:] for module in layer.modules()]
    if (pooler := getattr(encoder, "pooler", None)) is not None:
        parts += pooler.modules()
    generator = torch.Generator().manual_seed(seed)
    for part in parts:
        _draw(part, encoder.config.initializer_range, generator)


def _draw(module: nn.Module, spread: float, generator: torch.Generator) -> None:
    """The module's own weights, without those of its parts."""
    own = dict(module.named_parameters(recurse=False))
    if not own:
        return
    if isinstance(module, (nn.Linear, nn.Embedding)):
        module.weight.copy_(torch.empty(module.weight.shape).normal_(0.0, spread, generator=generator))
        if isinstance(module, nn.Embedding) and module.padding_idx is not None:
            module.weight[module.padding_idx] = 0.0
    elif isinstance(module, (nn.LayerNorm, nn.RMSNorm)) and module.weight is not None:
        module.weight.fill_(1.0)
    else:
        names = ", ".join(own)
        raise ArtifactError(f"reinit_layers: a {type(module).__name__} ({names}) has no rule to be drawn anew")
    if (bias := own.get("bias")) is not None:
        bias.zero_()
