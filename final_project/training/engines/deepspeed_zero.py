"""DeepSpeed ZeRO 0, 1 and 2. The JSON file names the stage; the fields that must agree with the recipe come from it."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from final_project.settings import Precision, Training
from final_project.training.engines.base import Engine
from final_project.training.optim import adamw, parameter_groups
from final_project.training.world import World

TAG = "deepspeed"


class DeepSpeedEngine(Engine):
    name = "deepspeed"

    def __init__(self, model: nn.Module, settings: Training, precision: Precision, world: World, config: Path):
        super().__init__(world, precision)
        if world.device.type == "cpu":
            os.environ.setdefault("DS_ACCELERATOR", "cpu")
        import deepspeed  # after DS_ACCELERATOR, which it reads when it is imported

        groups = parameter_groups(model, settings.lr, settings.weight_decay)
        self.wrapper, self.optimizer, _, _ = deepspeed.initialize(
            model=model.to(world.device),
            optimizer=adamw(groups, settings, world.device),
            config=filled_config(config, settings, precision, world),
            dist_init_required=False,
        )
        self.model = self.wrapper.module

    def __call__(self, *inputs, **named_inputs):
        return self.wrapper(*inputs, **named_inputs)

    @contextlib.contextmanager
    def backward_pass(self, synchronise: bool) -> Iterator[None]:
        self.wrapper.set_gradient_accumulation_boundary(synchronise)
        yield

    def backward(self, loss: torch.Tensor) -> None:
        self.wrapper.backward(loss * self.world.size)

    def step(self, max_grad_norm: float) -> float:
        self.wrapper.step()  # clips at the configured max_grad_norm
        norm = self.wrapper.get_global_grad_norm()
        return float(norm) if norm is not None else float("nan")

    def save(self, folder: Path) -> None:
        self.wrapper.save_checkpoint(str(folder), tag=TAG)

    def load(self, folder: Path) -> None:
        self.wrapper.load_checkpoint(str(folder), tag=TAG)


def filled_config(path: Path, settings: Training, precision: Precision, world: World) -> dict:
    """The JSON file's content with batch size, clipping and precision taken from the recipe.

    Accumulation is driven by the training step, which marks its last backward, so DeepSpeed's own count is 1.
    """
    config = json.loads(path.read_text(encoding="utf-8"))
    return {
        **config,
        "train_micro_batch_size_per_gpu": settings.micro_rows,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": settings.max_grad_norm,
        "torch_autocast": {"enabled": precision == "bf16", "dtype": "bfloat16"},
    }
