"""Engines by name. fairscale and deepspeed are imported in one file each, and only if chosen."""

from __future__ import annotations

import logging

from torch import nn
from transformers import PreTrainedModel

from final_project.model.attention_backend import choose_attention_backend
from final_project.parallel.world import World
from final_project.settings import Precision, Training
from final_project.training.apex_parts import apex_status, use_fused_layer_norms
from final_project.training.engines.engine import Engine
from final_project.training.optim import GroupRule, flat_groups, freeze_idle_parameters

log = logging.getLogger(__name__)


def build_engine(
    name: str,
    model: nn.Module,
    settings: Training,
    precision: Precision,
    world: World,
    group_rule: GroupRule = flat_groups,
) -> Engine:
    """Prepare a model for training. The engine owns the model from then on and may replace its parameters.

    group_rule: which weights share a rate; called after idle weights are frozen.
    """
    freeze_idle_parameters(model)
    choose_attention_backend(model, precision, world.device)
    if n_fused := use_fused_layer_norms(model, world.device):
        log.info("apex: %d fused layer norms", n_fused)
    elif world.device.type == "cuda":
        log.info("apex: %s; layer norms and AdamW are those of torch", apex_status())
    if settings.activation_checkpointing:
        checkpoint_activations(model)
    groups = group_rule(model, settings)
    if name == "fsdp2":
        from final_project.training.engines.fsdp2 import Fsdp2Engine

        return Fsdp2Engine(model, settings, precision, world, groups)
    if name == "fairscale":
        from final_project.training.engines.fairscale_oss import FairscaleEngine

        return FairscaleEngine(model, settings, precision, world, groups)
    if name == "deepspeed":
        from final_project.training.engines.deepspeed_zero import DeepSpeedEngine

        return DeepSpeedEngine(model, settings, precision, world, groups)
    from final_project.training.engines.torch_ddp import TorchEngine

    return TorchEngine(model, settings, precision, world, groups)


def checkpoint_activations(model: nn.Module) -> None:
    """Keep only the inputs of each transformer layer for the backward pass, which recomputes the rest with the same
    dropout."""
    for part in model.modules():
        if isinstance(part, PreTrainedModel):
            part.activation_checkpointing_enable({"use_reentrant": False})
            return
    raise TypeError(f"{type(model).__name__} contains no transformers model: activation checkpointing needs its layers")
