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
        "torch",
        "training engine: torch (one process, or DDP), fsdp2, fairscale (OSS) or deepspeed (ZeRO)",
        affects_result="rounding",
        common=True,
    )
    zero_stage: Literal[None, 0, 1, 2, 3] = setting(
        None, "ZeRO stage (engine: deepspeed); null = 1", affects_result="rounding"
    )
    offload_optimizer: bool = setting(
        False, "keep the optimizer's state in CPU memory (engine: deepspeed, zero_stage 1-3)", affects_result="rounding"
    )
    activation_checkpointing: bool = setting(
        False, "recompute activations in the backward pass, to save memory", affects_result="rounding"
    )
    epochs: int = setting(3, "passes over the training rows", "epochs", common=True, ge=0, le=1000)
    optimizer: Optimizer = setting(
        "adamw",
        "adamw; lion (use about a fifth of AdamW's lr); adafactor (lr is relative to each matrix's RMS: try 1e-2)",
    )
    lr: float = setting(5e-4, "peak learning rate", "per update", common=True, gt=0, le=1)
    schedule: Schedule = setting("linear", "how the learning rate falls after the warm-up")
    lr_power: float = setting(2.0, "exponent of the decay (schedule: polynomial)", gt=0, le=10)
    warmup_frac: float = setting(0.06, "fraction of the updates in which the rate rises to lr", "fraction", ge=0, le=1)
    lr_floor: float = setting(
        0.0, "share of lr below which the learning rate does not fall, and at which the schedule ends", "fraction",
        ge=0, le=1,
    )  # fmt: skip
    weight_decay: float = setting(
        0.01, "weight decay of matrices; biases and LayerNorm weights have none", common=True, ge=0, le=1
    )
    adam_eps: float = setting(1e-6, "epsilon of Adam; 1e-6 is BERT's, smaller values amplify rounding noise", gt=0)
    step_rows: int = setting(
        64, "rows of one optimizer step, over all devices and gradient accumulation", "rows", common=True, ge=1
    )
    micro_rows: int = setting(64, "most rows in one forward pass on one device", "rows", common=True, ge=1)
    micro_tokens: int = setting(
        0, "most tokens in one forward pass on one device, padding included; 0 = only micro_rows limits", "tokens", ge=0
    )
    batch_form: Literal["rows", "packed"] = setting(
        "rows", "rows: batches of rows of similar length; packed: several rows in one sequence, without padding"
    )
    pack_length: int = setting(128, "length of a packed sequence (batch_form: packed)", "tokens", ge=8, le=65536)
    max_length: int = setting(
        64, "longest input, special tokens included; longer texts are truncated", "tokens", common=True, ge=8, le=8192
    )
    max_grad_norm: float = setting(1.0, "gradients are clipped to this norm; 0 = no clipping", ge=0)
    precision: Precision = setting(
        "auto", "compute dtype of the forward pass; auto = bf16 if the device supports it, else fp32", common=True
    )
    checkpoint_every: int = setting(200, "updates between checkpoints", "updates", affects_result=False, ge=1)
    keep_checkpoints: int = setting(
        2, "most recent checkpoints to keep, in addition to the best", "checkpoints", affects_result=False, ge=1
    )
    max_bad_steps: int = setting(
        5, "the run ends after this many updates in a row with a non-finite gradient", "updates", affects_result=False,
        ge=1,
    )  # fmt: skip
    log_every: int = setting(20, "updates between log lines", "updates", affects_result=False, ge=1)
    prefetch: Literal["auto", "always", "never"] = setting(
        "auto", "build the next batches in a thread while a step runs; auto = on CUDA devices", affects_result=False
    )
    wandb: str = setting(
        "", "Weights & Biases project that also receives the metrics; empty = none", affects_result=False
    )

    def conflicts(self) -> Iterator[str]:
        if self.step_rows % self.micro_rows:
            yield f"step_rows: {self.step_rows} is not a multiple of micro_rows: {self.micro_rows}"
        if 0 < self.micro_tokens < self.max_length:
            yield f"micro_tokens: {self.micro_tokens} is too small for one row of max_length: {self.max_length}"
        if self.batch_form == "packed":
            if self.pack_length < self.max_length:
                yield f"pack_length: {self.pack_length} is too small for one row of max_length: {self.max_length}"
            if 0 < self.micro_tokens < self.pack_length:
                yield (
                    f"micro_tokens: {self.micro_tokens} is too small for one packed sequence of "
                    f"pack_length: {self.pack_length}"
                )
        if self.optimizer == "adafactor" and self.engine in ("fsdp2", "deepspeed"):
            yield (
                f"optimizer: adafactor needs whole matrices and engine: {self.engine} shards them; "
                "use torch or fairscale"
            )
        if self.lr_floor and self.schedule == "constant":
            yield f"lr_floor: {self.lr_floor:g} has no effect with schedule: constant, which does not fall"
        yield from self._zero_conflicts()

    def _zero_conflicts(self) -> Iterator[str]:
        if self.engine != "deepspeed":
            if self.zero_stage is not None:
                yield f"zero_stage: {self.zero_stage} needs engine: deepspeed; with engine: {self.engine} leave it null"
            if self.offload_optimizer:
                yield f"offload_optimizer: true needs engine: deepspeed, found engine: {self.engine}"
        elif self.offload_optimizer and self.zero_stage == 0:
            yield "offload_optimizer: true needs zero_stage: 1, 2 or 3; with zero_stage: 0 nothing is sharded"
