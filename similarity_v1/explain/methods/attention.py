"""What the model looks at: attention in the last layer, and attention rolled out over all layers.

Neither knows the target: they say where the places that the head reads look, not what it decides. Those places are
found from the model: where the logits J depend on the last hidden states h. A head of BERT's reads [CLS], one of a
decoder its last token, a mean all tokens alike. Place t weighs as the Frobenius norm of dJ/dh_t, all weights sum to 1;
wherever a head reads a weighted mean of the places, with weights that the text does not change, these are they.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar, NoReturn

import torch
from torch import Tensor, nn

from final_project.errors import ArtifactError
from similarity_v1.explain.embedding_calls import a_model, encoder_below_head
from similarity_v1.explain.methods.method import Scores
from similarity_v1.explain.probe import Probe

EXACT, HALF = 1e-3, 2e-2  # how far from 1 a row of attention may sum, in float32 and in types of 16 bits


@dataclass(frozen=True)
class Attention:
    """Attention in the last layer from the places that the head reads to each token, mean over the heads."""

    needs_gradient: ClassVar[bool] = False
    looks_inside: ClassVar[bool] = True

    def __call__(self, probe: Probe) -> Scores:
        look = read_attention(probe)
        return Scores(torch.einsum("bt,btu->bu", look.read_BT, look.attentions[-1]) * probe.mask_BT)


@dataclass(frozen=True)
class AttentionRollout:
    """The product over the layers of (A + I) / 2, A the mean over the heads, rows of the places that the head reads
    (Abnar and Zuidema 2020)."""

    needs_gradient: ClassVar[bool] = False
    looks_inside: ClassVar[bool] = True

    def __call__(self, probe: Probe) -> Scores:
        look = read_attention(probe)
        from_read_BT = look.read_BT
        for attention_BTT in reversed(look.attentions):
            from_read_BT = 0.5 * (from_read_BT + torch.einsum("bt,btu->bu", from_read_BT, attention_BTT))
        return Scores(from_read_BT * probe.mask_BT)


@dataclass(frozen=True)
class Look:
    """attentions: (B, T, T) per layer, mean over the heads, each row's sum 1. read_BT: what the head reads, sum 1."""

    attentions: list[Tensor]
    read_BT: Tensor


def read_attention(probe: Probe) -> Look:
    """Raises ArtifactError where the model's attention, or what its head reads, is not of that kind."""
    encoder = encoder_below_head(probe.model)
    kept: dict[str, Any] = {}

    def with_attentions(_module: nn.Module, arguments: tuple, keywords: dict) -> tuple[tuple, dict]:
        return arguments, {**keywords, "output_attentions": True}

    def keep(_module: nn.Module, _arguments: tuple, output: Any) -> None:
        kept["output"] = output

    with written_out_attention(encoder), torch.enable_grad(), contextlib.ExitStack() as hooks:
        hooks.callback(encoder.register_forward_pre_hook(with_attentions, with_kwargs=True).remove)
        hooks.callback(encoder.register_forward_hook(keep).remove)
        rows_B = torch.arange(len(probe.rows), device=probe.mask_BT.device)
        logits_BC = probe.logits(probe.embedded_BTH.detach().requires_grad_(), rows_B, in_float32=True)
        layers = getattr(kept["output"], "attentions", None)
        hidden = getattr(kept["output"], "last_hidden_state", None)
        if not _same_answer(logits_BC, probe):
            _refuse(probe, "its attention written out step by step gives another answer")
        checked = [_distributions(layer, probe) for layer in _all_layers(layers, probe)]
        return Look(checked, read_by_head(logits_BC, hidden, probe))


def _same_answer(logits_BC: Tensor, probe: Probe) -> bool:
    """Whether the attention that is shown is the one that made the answer: as logits go, whose size is the measure."""
    wanted_BC = probe.logits_BC.detach().double()
    exact = probe.reading.precision == "fp32" and probe.model.dtype in (torch.float32, torch.float64)
    off = (logits_BC.detach().double() - wanted_BC).abs().max() / wanted_BC.abs().max().clamp(min=1e-3)
    return not bool(off > (EXACT if exact else 10 * HALF))


def read_by_head(logits_BC: Tensor, hidden_BTH: Any, probe: Probe) -> Tensor:
    """(B, T) how much of each place of the last hidden states the head reads, sum 1; 0 in the padding."""
    mask_BT = probe.mask_BT
    norm_BT: Tensor | None = None
    if isinstance(hidden_BTH, Tensor) and hidden_BTH.shape[:-1] == mask_BT.shape and hidden_BTH.requires_grad:
        square_BT = torch.zeros(mask_BT.shape, dtype=torch.float64, device=mask_BT.device)
        for logit_B in logits_BC.unbind(dim=1):
            if logit_B.requires_grad:
                (found,) = torch.autograd.grad(logit_B.sum(), hidden_BTH, retain_graph=True, allow_unused=True)
                square_BT += 0 if found is None else found.double().square().sum(dim=-1)
        norm_BT = square_BT.sqrt()
    if norm_BT is None or not bool((norm_BT.sum(dim=1) > 0).all()):
        _refuse(probe, "it does not show which places of its last hidden states its head reads")
    if bool((norm_BT * (1 - mask_BT)).any()):
        _refuse(probe, "its head reads padding")
    return (norm_BT / norm_BT.sum(dim=1, keepdim=True)).float()


def _all_layers(layers: Any, probe: Probe) -> tuple[Tensor, ...]:
    config = probe.model.config
    config = config.get_text_config() if hasattr(config, "get_text_config") else config
    n_layers = getattr(config, "num_hidden_layers", None)
    if not layers or not all(isinstance(layer, Tensor) for layer in layers):
        _refuse(probe, "it does not give the attention of each of its layers")
    if n_layers is not None and len(layers) != n_layers:
        _refuse(probe, f"it gives attention for {len(layers)} of its {n_layers} layers")
    return tuple(layers)


def _distributions(layer_BATT: Tensor, probe: Probe) -> Tensor:
    """One layer's attention, mean over its heads, once each row of a token is seen to be a distribution over tokens."""
    mask_BT = probe.mask_BT
    n_rows, n_tokens = mask_BT.shape
    if layer_BATT.dim() != 4 or layer_BATT.shape[0] != n_rows or layer_BATT.shape[2:] != (n_tokens, n_tokens):
        found = " x ".join(map(str, layer_BATT.shape[1:]))
        _refuse(probe, f"its attention is {found} a row, not heads x {n_tokens} x {n_tokens} tokens")
    near = EXACT if layer_BATT.dtype in (torch.float32, torch.float64) else HALF
    of_tokens = layer_BATT.detach().float() * mask_BT[:, None, None, :]
    off_BAT = (of_tokens.sum(dim=-1) - 1).abs() * mask_BT[:, None, :]
    if not bool(torch.isfinite(layer_BATT).all()) or bool((of_tokens < -near).any()) or bool((off_BAT > near).any()):
        _refuse(probe, "its attention is no distribution over the tokens (below 0, not finite, or a sum other than 1)")
    return of_tokens.mean(dim=1)


def _refuse(probe: Probe, reason: str) -> NoReturn:
    raise ArtifactError(f"{a_model(probe.model)} cannot be explained by attention: {reason}; use another method")


@contextlib.contextmanager
def written_out_attention(encoder: Any) -> Iterator[None]:
    """While open, attention is computed step by step: fused kernels do not give their weights away."""
    fused = encoder.config._attn_implementation
    if fused == "eager":
        yield
        return
    encoder.set_attn_implementation("eager")
    try:
        yield
    finally:
        encoder.set_attn_implementation(fused)
