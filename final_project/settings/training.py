"""Settings that both training stages share."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from final_project.settings.section import Section, setting

Precision = Literal["auto", "fp32", "bf16", "fp16"]
Schedule = Literal["linear", "cosine", "constant", "polynomial"]
Optimizer = Literal["adamw", "lion", "adafactor"]


class Training(Section):
    """What both training stages share. A step is one optimizer update over all devices."""

    engine: Literal["torch", "fsdp2", "fairscale", "deepspeed"] = setting(
        "torch", "torch (single process or DDP), fsdp2, fairscale or deepspeed", affects_result="rounding"
    )
    zero_stage: Literal[None, 0, 1, 2, 3] = setting(None, "DeepSpeed ZeRO stage; null = 1", affects_result="rounding")
    offload_optimizer: bool = setting(
        False, "keep DeepSpeed's optimizer in CPU memory (ZeRO 1-3)", affects_result="rounding"
    )
    activation_checkpointing: bool = setting(
        False, "compute activations again in the backward pass, to save memory", affects_result="rounding"
    )
    epochs: int = setting(3, "passes over the training rows", "epochs", ge=0, le=1000)
    optimizer: Optimizer = setting(
        "adamw", "adamw; lion (wants a lr 5 times lower); adafactor (its lr is relative to the weights' size: 1e-2)"
    )
    lr: float = setting(5e-4, "peak learning rate", "per update", gt=0, le=1)
    schedule: Schedule = setting("linear", "course of the learning rate after the warm-up")
    lr_power: float = setting(2.0, "exponent of the falling course (schedule: polynomial)", gt=0, le=10)
    warmup_frac: float = setting(0.06, "share of the updates that warm up", "share", ge=0, le=1)
    weight_decay: float = setting(0.01, "decay of weight matrices; biases and LayerNorm have none", ge=0, le=1)
    adam_eps: float = setting(1e-6, "Adam's epsilon; BERT's, since 1e-8 lets rounding noise steer", gt=0)
    step_rows: int = setting(64, "rows of one optimizer step, over all devices and accumulation", "rows", ge=1)
    micro_rows: int = setting(64, "most rows in one forward on one device", "rows", ge=1)
    micro_tokens: int = setting(
        0, "most tokens in one forward on one device, padding included; 0 = micro_rows decides", "tokens", ge=0
    )
    batch_form: Literal["rows", "packed"] = setting(
        "rows", "rows of one length beside each other, or any rows packed into lines without padding"
    )
    pack_length: int = setting(128, "length of a line into which rows are packed", "tokens", ge=8, le=65536)
    max_length: int = setting(64, "longest sequence, special tokens included", "tokens", ge=8, le=8192)
    max_grad_norm: float = setting(1.0, "gradients are clipped to this norm; 0 = no clipping", ge=0)
    precision: Precision = setting("auto", "arithmetic of the forward; auto = bf16 where the device has it, else fp32")
    checkpoint_every: int = setting(200, "updates between checkpoints", "updates", affects_result=False, ge=1)
    keep_checkpoints: int = setting(2, "newest checkpoints that are kept, beside the best", affects_result=False, ge=1)
    max_bad_steps: int = setting(
        5, "updates in a row without a finite gradient that end the run", affects_result=False, ge=1
    )
    log_every: int = setting(20, "updates between log lines", "updates", affects_result=False, ge=1)
    prefetch: Literal["auto", "always", "never"] = setting(
        "auto", "build the next batches in a thread while a step runs; auto = on CUDA devices", affects_result=False
    )
    wandb: str = setting("", "Weights & Biases project that takes the figures too; empty = none", affects_result=False)

    def conflicts(self) -> Iterator[str]:
        if self.step_rows % self.micro_rows:
            yield f"step_rows {self.step_rows} is not a multiple of micro_rows {self.micro_rows}"
        if 0 < self.micro_tokens < self.max_length:
            yield f"micro_tokens {self.micro_tokens} has no room for a row of max_length {self.max_length}"
        if self.batch_form == "packed":
            if self.pack_length < self.max_length:
                yield (
                    f"a row of max_length {self.max_length} does not fit into a line of pack_length {self.pack_length}"
                )
            if 0 < self.micro_tokens < self.pack_length:
                yield f"micro_tokens {self.micro_tokens} has no room for a line of pack_length {self.pack_length}"
        if self.optimizer == "adafactor" and self.engine in ("fsdp2", "deepspeed"):
            yield (
                f"optimizer adafactor needs whole matrices, whose rows and columns it averages; engine {self.engine} "
                "cuts them up: use torch or fairscale"
            )
        if self.engine != "deepspeed":
            if self.zero_stage is not None:
                yield f"zero_stage {self.zero_stage} is DeepSpeed's; engine {self.engine} has no ZeRO stages"
            if self.offload_optimizer:
                yield f"offload_optimizer is DeepSpeed's; engine {self.engine} has no offload"
        elif self.offload_optimizer and self.zero_stage == 0:
            yield "offload_optimizer needs zero_stage 1, 2 or 3; stage 0 keeps the optimizer whole"
