"""Engines by name. fairscale and deepspeed are imported only inside their own file, only when chosen."""

from __future__ import annotations

import logging
from pathlib import Path

from torch import nn

from final_project.settings import Precision, Training
from final_project.training.apex_parts import use_fused_layer_norms
from final_project.training.engines.base import Engine
from final_project.training.optim import freeze_idle_parameters
from final_project.training.world import World

log = logging.getLogger(__name__)


def build_engine(
    name: str, model: nn.Module, settings: Training, precision: Precision, world: World, config: Path | None = None
) -> Engine:
    """Wrap a model for training. config: DeepSpeed's JSON file, where the engine is deepspeed."""
    freeze_idle_parameters(model)
    if n_fused := use_fused_layer_norms(model, world.device):
        log.info("apex: %d fused layer norms", n_fused)
    if name == "fairscale":
        from final_project.training.engines.fairscale_oss import FairscaleEngine

        return FairscaleEngine(model, settings, precision, world)
    if name == "deepspeed":
        from final_project.training.engines.deepspeed_zero import DeepSpeedEngine

        return DeepSpeedEngine(model, settings, precision, world, config)
    from final_project.training.engines.torch_ddp import TorchEngine

    return TorchEngine(model, settings, precision, world)
