"""DeepSpeed ZeRO 0 to 3. One JSON file per stage; fields that must agree with the recipe are filled in from it.

Each stage shards more: 1 the optimizer's state, 2 also the gradients, 3 also the weights.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol, TypeGuard

import torch
from torch import nn

from final_project.parallel.world import World
from final_project.places import DS_CONFIG_DIR
from final_project.settings import Precision, Training
from final_project.training.engines.deepspeed_ops import load_compiled_parts
from final_project.training.engines.engine import Engine
from final_project.training.optim import ParameterGroup, build_optimizer, optimizer_groups, start_moments

DEFAULT_STAGE = 1


class DeepSpeedEngine(Engine):
    name = "deepspeed"
    wrapper: Any  # deepspeed.DeepSpeedEngine and one of its optimizers: the package has no types
    optimizer: Any

    def __init__(
        self, model: nn.Module, settings: Training, precision: Precision, world: World, groups: list[ParameterGroup]
    ):
        super().__init__(world, precision, settings)
        if world.device.type == "cpu":
            os.environ.setdefault("DS_ACCELERATOR", "cpu")
        if world.size == 1:  # DeepSpeed reads a launcher's variables although the process group exists
            here = {"RANK": "0", "LOCAL_RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
            for name, value in here.items():
                os.environ.setdefault(name, value)
        import deepspeed  # after DS_ACCELERATOR is set: it is read at import

        load_compiled_parts(deepspeed)
        self._deepspeed = deepspeed
        self._is_training_forward = self._only_points = False
        self._autocast_inside(model)
        self.wrapper, self.optimizer, _, _ = deepspeed.initialize(
            model=model.to(world.device),
            optimizer=build_optimizer(optimizer_groups(model, groups), settings),
            config=filled_config(settings, world),
            dist_init_required=False,
        )
        self.model = self.wrapper.module
        self.stage = self.wrapper.zero_optimization_stage()
        self.weights_are_cut = self.stage == 3
        # stage 3 puts its flat weights into the optimizer's groups only during an update
        start_moments(
            self.inner_optimizer,
            settings.optimizer,
            self.optimizer.fp32_partitioned_groups_flat if self.stage == 3 else None,
        )
        if self.stage in (1, 2):
            # DeepSpeed would link names to moments after the update of the first group, when the second has none yet
            self.optimizer._lazy_init_hp_params_optimizer_state()

    # --- one step -----------------------------------------------------------------------------------------------------

    def _autocast_inside(self, model: nn.Module) -> None:
        """Enter autocast inside the model's forward. DeepSpeed switches off one that is entered around it, and its own
        `torch_autocast` sums gradients in 16 bit, and in fp16 clips them while they still carry the loss scale."""
        forward = model.forward

        def forward_in_precision(*inputs, **named_inputs):
            with self.autocast() if self._is_training_forward else contextlib.nullcontext():
                return forward(*inputs, **named_inputs)

        model.forward = forward_in_precision

    def __call__(self, *inputs, **named_inputs):
        self._is_training_forward = True
        try:
            return (self.model if self._only_points else self.wrapper)(*inputs, **named_inputs)
        finally:
            self._is_training_forward = False

    @contextlib.contextmanager
    def backward_pass(self, synchronise: bool) -> Iterator[None]:
        self.wrapper.set_gradient_accumulation_boundary(synchronise)
        yield

    @contextlib.contextmanager
    def pointing_pass(self) -> Iterator[None]:
        self._only_points = True  # the wrapper would treat any backward as one that gathers gradients
        try:
            yield
        finally:
            self._only_points = False

    def backward(self, loss: torch.Tensor) -> None:
        scale = self.loss_scale.value
        if self.precision == "fp16" and self.stage:
            self.optimizer.override_loss_scale(scale)  # multiplies the loss, and unscales before it clips
            scale = 1.0
        self.wrapper.backward(loss * (self.world.size * scale))

    def _update(self, max_grad_norm: float) -> float:
        if self.stage:
            self.wrapper.step()  # clips at the configured max_grad_norm; skips gradients that are not finite
            return float(self.wrapper.get_global_grad_norm())
        self._unscale_gradients()
        norm = float(nn.utils.get_total_norm([w.grad for w in self.trained().values() if w.grad is not None]))
        if math.isfinite(norm):
            self.wrapper.step()
        else:
            self.wrapper.zero_grad()
        return norm

    def take_gradients(self) -> dict[str, torch.Tensor]:
        if not self.stage:
            return super().take_gradients()
        utils = self._deepspeed.utils
        read = utils.safe_get_local_grad if self.stage == 3 else utils.safe_get_full_grad
        taken = {name: read(weight).clone() for name, weight in self.trained().items()}
        # what DeepSpeed itself does with gradients that are not finite
        self.optimizer.zero_grad()
        self.optimizer.averaged_gradients.clear()  # the dict itself stays: safe_get_full_grad reads this very one
        if self.stage < 3:
            self.optimizer.all_grad_tensors.clear()
            self.optimizer.micro_step_id = -1  # none yet
        if self.wrapper.zero_cpu_offload():
            self.optimizer.reset_cpu_buffers()
        return taken

    def gradients(self) -> list[torch.Tensor]:
        held = self.optimizer.averaged_gradients.values() if self.stage else [super().gradients()]
        return [gradient for some in held for gradient in some]

    # --- weights and moments in full ----------------------------------------------------------------------------------

    def whole(self, weight: torch.Tensor) -> torch.Tensor:
        if not is_partitioned(weight):
            return weight.detach()
        with self._deepspeed.zero.GatheredParameters([weight]):
            return weight.detach().clone()

    def assign(self, weight: torch.Tensor, value: torch.Tensor) -> None:
        if not is_partitioned(weight):
            return super().assign(weight, value)
        with self._deepspeed.zero.GatheredParameters([weight], modifier_rank=0):
            weight.detach().copy_(value)

    def weights_changed(self) -> None:
        if self.stage:
            self.optimizer.refresh_fp32_params()

    @property
    def inner_optimizer(self) -> torch.optim.Optimizer:
        return self.optimizer.optimizer if self.stage else self.optimizer

    def moment(self, weight: nn.Parameter, key: str) -> torch.Tensor:
        if not self.stage:
            return self.inner_optimizer.state[weight][key]
        return self._deepspeed.utils.safe_get_full_optimizer_state(weight, key)

    def assign_moment(self, weight: nn.Parameter, key: str, value: torch.Tensor) -> None:
        if not self.stage:
            self.inner_optimizer.state[weight][key].copy_(value)
        elif is_partitioned(weight):
            # the last part is padded, and DeepSpeed's safe_set_full_optimizer_state fails on padding
            n = weight.ds_tensor.numel()
            part = value.flatten()[self.world.rank * n :][:n]
            part = nn.functional.pad(part, (0, n - len(part)))
            self._deepspeed.utils.safe_set_local_optimizer_state(weight, part, key)
        else:
            self._deepspeed.utils.safe_set_full_optimizer_state(weight, value, key)

    # --- this rank's part ---------------------------------------------------------------------------------------------

    def parts(self) -> dict[str, torch.Tensor]:
        return {
            name: weight.ds_tensor.detach() if is_partitioned(weight) else weight.detach()
            for name, weight in self.trained().items()
        }

    def set_parts(self, parts: Mapping[str, torch.Tensor]) -> None:
        super().set_parts(parts)
        for weight in self.trained().values():
            if is_partitioned(weight):
                weight.partition()  # drops a full copy gathered from the old parts

    def evidence(self) -> dict:
        weights = list(self.trained().values())
        partitioned = {"weights": "partitioned"} if all(map(is_partitioned, weights)) else {}
        offload = bool(self.stage) and self.wrapper.zero_cpu_offload()
        return {**super().evidence(), "zero_stage": self.stage, "offload": offload, **partitioned}

    def shape(self, weight: torch.Tensor) -> tuple[int, ...]:
        return tuple(weight.ds_shape if is_partitioned(weight) else weight.shape)

    def without_padding(self, weight: nn.Parameter, part: torch.Tensor) -> torch.Tensor:
        if is_partitioned(weight):
            return part[: max(0, weight.ds_numel - self.world.rank * part.numel())]
        return part


class Partitioned(Protocol):
    """What DeepSpeed adds to a parameter that ZeRO-3 partitions."""

    ds_id: int
    ds_tensor: torch.Tensor
    """This rank's part, padded to the same size on every rank."""
    ds_shape: torch.Size
    ds_numel: int

    def partition(self) -> None: ...

    def detach(self) -> torch.Tensor: ...


def is_partitioned(weight: torch.Tensor) -> TypeGuard[Partitioned]:
    """Whether this is a parameter of ZeRO-3, of which each rank holds a part."""
    return hasattr(weight, "ds_id")


def filled_config(settings: Training, world: World) -> dict:
    """The JSON file of the recipe's stage, with batch size, clipping and offload as the recipe says.

    Accumulation is driven by the training step, which marks its last backward, so DeepSpeed's own count is 1. Its
    precision stays float32: autocast and loss scale are the engine's, as with every other engine.
    """
    stage = DEFAULT_STAGE if settings.zero_stage is None else settings.zero_stage
    config = json.loads(config_path(stage).read_text(encoding="utf-8"))
    config |= {
        "train_micro_batch_size_per_gpu": settings.micro_rows,
        "gradient_accumulation_steps": 1,
        "gradient_clipping": settings.max_grad_norm,
    }
    if settings.optimizer != "adamw":
        config["zero_allow_untested_optimizer"] = True  # works weight by weight, so it may be given parts of weights
    if settings.offload_optimizer:
        config["zero_optimization"]["offload_optimizer"] = {"device": "cpu", "pin_memory": world.device.type == "cuda"}
        config["zero_force_ds_cpu_optimizer"] = False  # torch updates the CPU tensors: nothing to compile
    return config


def config_path(stage: int) -> Path:
    return DS_CONFIG_DIR / f"zero{stage}.json"
