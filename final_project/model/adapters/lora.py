"""LoRA (Hu et al. 2022): small matrices are trained beside the frozen ones of an encoder, by the package peft.

    y = W x + b + s B A x          s = alpha / r (rslora: alpha / sqrt(r)); A is drawn, B starts at 0
    dora: W' = m V / ||V||, V = W + s B A, norms by row; m starts at ||W||

A model is saved merged, as the plain model that it is equal to, so nothing that loads the folder needs peft.
Sources: rsLoRA, Kalajdzievski 2023; DoRA, Liu et al. 2024.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from transformers.modeling_layers import GradientCheckpointingLayer

from final_project.errors import EnvironmentProblem, RecipeError
from final_project.settings import SimilarityV0

A, B, MAGNITUDE = (f"lora_{part}.default.weight" for part in ("A", "B", "magnitude_vector"))
BASE = "base_layer."
"""Where peft keeps the layer's own weights."""


def add_lora(encoder: Any, settings: SimilarityV0) -> None:
    """Freeze an encoder of transformers but for its pooler, and give the linear layers of `lora_targets` in each of its
    layers matrices to train. Changes the encoder in place; A is drawn from torch's generator.

    Raises RecipeError if a target names no linear layer, EnvironmentProblem without peft.
    """
    targets = [name for target in settings.lora_targets for name in _linear_layers(encoder, target)]
    peft = _peft()
    config = peft.LoraConfig(
        r=settings.lora_rank,
        lora_alpha=settings.lora_alpha,
        lora_dropout=settings.lora_dropout,
        target_modules=targets,
        use_rslora=settings.lora_variant == "rslora",
        use_dora=settings.lora_variant == "dora",
    )
    peft.inject_adapter_in_model(config, encoder)
    if (pooler := getattr(encoder, "pooler", None)) is not None:
        pooler.requires_grad_(True)  # peft freezes it with the encoder, but it is part of the head


def is_adapter(name: str) -> bool:
    """Whether a weight of this name is an adapter's."""
    return any(part.startswith("lora_") for part in name.split("."))


def merged(state: Mapping[str, Tensor], model: nn.Module) -> dict[str, Tensor]:
    """The state dict of the plain model that is equal to this one with its adapters. state: of `model`, by its names.

    Each product is taken in float64, and stored in the type of the weight that it is added to. Without adapters the
    state comes back as it is.
    """
    plain = {name.replace(BASE, ""): value for name, value in state.items() if not is_adapter(name)}
    for name in state:
        if not name.endswith(A):
            continue
        layer = name.removesuffix(A)
        adapted: Any = model.get_submodule(layer.removesuffix("."))
        weight, scale = state[f"{layer}{BASE}weight"], adapted.scaling["default"]
        V = weight.double() + scale * (state[layer + B].double() @ state[name].double())
        if (magnitude := state.get(layer + MAGNITUDE)) is not None:
            V *= (magnitude.double() / V.norm(dim=1))[:, None]
        plain[f"{layer}weight"] = V.to(weight.dtype)
    return plain


def _linear_layers(encoder: Any, target: str) -> list[str]:
    """Names of the linear layers in the encoder's layers whose names end in this. Raises RecipeError if none does."""
    layers = [name for name, part in encoder.named_modules() if isinstance(part, GradientCheckpointingLayer)]
    linear = [
        name
        for name, part in encoder.named_modules()
        if isinstance(part, nn.Linear) and any(name.startswith(f"{layer}.") for layer in layers)
    ]
    found = [name for name in linear if f".{name}".endswith(f".{target}")]
    if not found:
        ends = ", ".join(dict.fromkeys(name.rpartition(".")[2] for name in linear))
        raise RecipeError(
            [
                f"similarity_v0.lora_targets: {target!r} is no linear layer of a {encoder.config.model_type} model, "
                f"whose layers have {ends}"
            ]
        )
    return found


def _peft() -> Any:
    try:
        import peft
    except ModuleNotFoundError as error:
        raise EnvironmentProblem("lora_rank needs the package peft: .venv/bin/pip install peft") from error
    return peft
