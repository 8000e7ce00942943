"""R-Drop (Liang et al. 2021): two forwards under two dropout masks should agree.

0.5 (L_1 + L_2) + a * 0.5 (KL(p|q) + KL(q|p)), KL averaged over elements as in the original: over pairs and classes.
Both come from one forward of the doubled micro-batch. Shapes: B pairs, T tokens, C classes.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from similarity_v0.losses import log_probabilities

Disagreement = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""(B, C) answers under two masks -> (B,)."""


def doubled(values: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """Every tensor twice along its first dimension: all pairs, then all pairs again."""
    twice = {name: torch.cat([value, value]) for name, value in values.items()}
    if "places_BT" in values:  # packed pairs: the second copy's positions are in the second copy's lines
        places_BT = values["places_BT"]
        twice["places_BT"][len(places_BT) :] += values["input_ids"].numel() * (places_BT >= 0)
    return twice


def r_drop_losses(
    losses_2B: torch.Tensor, logits_2BC: torch.Tensor, weight: float, measure: Disagreement | None = None
) -> torch.Tensor:
    """(B,) what each row adds to the loss, from a doubled forward; weight is `a`. measure: in the place of the
    divergence, for outputs that are no logits of classes."""
    first_B, second_B = losses_2B.chunk(2)
    return 0.5 * (first_B + second_B) + weight * (measure or disagreement)(*logits_2BC.chunk(2))


def disagreement(logits_BC: torch.Tensor, others_BC: torch.Tensor) -> torch.Tensor:
    """(B,) 0.5 (KL(p|q) + KL(q|p)) / C; zero where both say the same."""
    log_p_BC, log_q_BC = log_probabilities(logits_BC), log_probabilities(others_BC)
    return 0.5 * ((log_p_BC.exp() - log_q_BC.exp()) * (log_p_BC - log_q_BC)).mean(dim=-1)
