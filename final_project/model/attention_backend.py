"""Which of torch's attention implementations a model trains with. Only the speed differs: bfloat16 on a CPU.

For short sentences in bfloat16, torch's fused CPU attention takes several times as long as two plain matrix products,
mostly in its backward pass (bench/speed/attention_speed.py); in float32 both take the same time.
"""

from __future__ import annotations

import torch
from torch import nn
from transformers import PreTrainedModel

from final_project.settings import Precision


def choose_attention_backend(model: nn.Module, precision: Precision, device: torch.device) -> None:
    """Set the attention implementation of the transformers model inside `model`: eager or sdpa."""
    for part in model.modules():
        if isinstance(part, PreTrainedModel):
            part.set_attn_implementation("eager" if device.type == "cpu" and precision == "bf16" else "sdpa")
            return
