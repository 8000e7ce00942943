"""How long does attention of short sentences take, forward and backward, as two plain products and fused?

    python bench/speed/attention_speed.py [--tokens 27] [--output FILE.json]

One layer's attention on random input, both ways by turns, the median of the rounds; ratios above 1 mean that the plain
products are faster.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from pathlib import Path

import torch
from torch.nn.functional import scaled_dot_product_attention

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from bench.figures import show

BATCH_TOKENS = 2048
SHAPES = ((4, 32), (4, 64))  # heads and width of each


def plain(q_BNTD: torch.Tensor, k_BNTD: torch.Tensor, v_BNTD: torch.Tensor) -> torch.Tensor:
    scores_BNTT = q_BNTD @ k_BNTD.transpose(-1, -2) * q_BNTD.shape[-1] ** -0.5
    return scores_BNTT.softmax(-1) @ v_BNTD


def seconds(attention, qkv_BTXND: torch.Tensor) -> float:
    leaf = qkv_BTXND.clone().requires_grad_()
    started = time.perf_counter()
    attended = attention(*(part.transpose(1, 2) for part in leaf.unbind(2)))
    attended.float().square().sum().backward()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, nargs="+", default=[16, 27, 64, 512])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--output", type=Path)
    arguments = parser.parse_args()
    rows = []
    for n_tokens in arguments.tokens:
        for n_heads, width in SHAPES:
            for dtype in (torch.float32, torch.bfloat16):
                shape = (max(1, BATCH_TOKENS // n_tokens), n_tokens, 3, n_heads, width)
                drawn = torch.randn(shape, generator=torch.Generator().manual_seed(1)).to(dtype)
                taken = {plain: [], scaled_dot_product_attention: []}
                for _ in range(arguments.rounds):
                    for attention, times in taken.items():
                        times.append(seconds(attention, drawn))
                fused, products = (statistics.median(taken[key]) for key in (scaled_dot_product_attention, plain))
                rows.append({
                    "tokens": n_tokens, "heads": n_heads, "width": width, "dtype": str(dtype).removeprefix("torch."),
                    "fused_to_plain": round(fused / products, 2),
                })  # fmt: skip
    show({"threads": torch.get_num_threads(), "rows": rows}, arguments.output)


if __name__ == "__main__":
    main()
