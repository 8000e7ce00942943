"""Which of torch's attentions a model trains with. The answers are the same; in bfloat16 on a CPU the speed is not.

Short sentences make small blocks. There torch's fused attention for CPUs takes several times what two plain matrix
products take, above all in its backward pass (bench/speed/attention_speed.py); in float32 the two are even.
"""

from __future__ import annotations

import torch
from torch import nn
from transformers import PreTrainedModel

from final_project.settings import Precision


def let_attention_suit(model: nn.Module, precision: Precision, device: torch.device) -> None:
    """Choose the attention of the transformers model inside `model`, by its names there: sdpa or eager."""
    for part in model.modules():
        if isinstance(part, PreTrainedModel):
            part.set_attn_implementation("eager" if device.type == "cpu" and precision == "bf16" else "sdpa")
            return
