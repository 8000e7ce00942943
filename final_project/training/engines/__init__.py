"""Engines by name. fairscale and deepspeed are imported only inside their own file, only when chosen."""

from __future__ import annotations

from pathlib import Path

from torch import nn

from final_project.settings import Precision, Training
from final_project.training.engines.base import Engine
from final_project.training.world import World


def build_engine(
    name: str, model: nn.Module, settings: Training, precision: Precision, world: World, config: Path | None = None
) -> Engine:
    """Wrap a model for training. config: DeepSpeed's JSON file, where the engine is deepspeed."""
    if name == "fairscale":
        from final_project.training.engines.fairscale_oss import FairscaleEngine

        return FairscaleEngine(model, settings, precision, world)
    if name == "deepspeed":
        from final_project.training.engines.deepspeed_zero import DeepSpeedEngine

        return DeepSpeedEngine(model, settings, precision, world, config)
    from final_project.training.engines.torch_ddp import TorchEngine

    return TorchEngine(model, settings, precision, world)
