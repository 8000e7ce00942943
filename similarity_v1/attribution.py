"""Gradient attributions of a classifier's decision to its input tokens.

Formula (the original's; design, section 4, Attribution): y is the decided label, e the output of the embedding block,
z(x) the logits when the block puts out x. For s = 1..S

    g_s = d log softmax(z(s/S * e))_y / d(s/S * e),      score_t = || mean_s(g_s)_t * e_t ||_2 over H.

S = 1 is gradient times input; more steps follow the straight path from zero: integrated gradients.
Shapes: B pairs, T tokens, H hidden, C classes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from transformers import PreTrainedModel

from final_project.errors import ArtifactError

Decide = Callable[[np.ndarray], np.ndarray]  # (B, C) probabilities -> (B,) labels


@dataclass(frozen=True)
class Attributed:
    """labels_B and probabilities_BC are those of the untouched forward pass; scores_BT is 0 where there is padding."""

    labels_B: np.ndarray
    probabilities_BC: np.ndarray
    scores_BT: np.ndarray


def n_path_steps(method: str, ig_steps: int) -> int:
    """S of the formula; gradient_x_input has one step."""
    return {"gradient_x_input": 1, "integrated_gradients": ig_steps}[method]


def attribute(model: PreTrainedModel, inputs: dict[str, Tensor], decide: Decide, n_steps: int) -> Attributed:
    """Score every token of one padded batch.

    inputs: what the tokenizer answers, each (B, T), with attention_mask. The model comes back as it was: its mode, its
    hooks, its requires_grad flags; no parameter receives a gradient. Memory does not grow with n_steps.
    """
    with evaluating(model), frozen(model), scaled_embeddings(model) as path:
        # s = S first: that pass is the untouched forward, which decides the label that all steps explain.
        probabilities_BC, log_probs_BC = _forward(model, inputs)
        labels_B = decide(probabilities_BC)
        embedded_BTH = path.leaf_BTH.detach()
        gradient_BTH = _gradient(log_probs_BC, labels_B, path.leaf_BTH)
        for step in range(1, n_steps):
            path.scale = step / n_steps
            gradient_BTH += _gradient(_forward(model, inputs)[1], labels_B, path.leaf_BTH)
    scores_BT = (gradient_BTH / n_steps * embedded_BTH).norm(dim=-1) * inputs["attention_mask"]
    return Attributed(labels_B, probabilities_BC, scores_BT.double().cpu().numpy())


def _forward(model: PreTrainedModel, inputs: dict[str, Tensor]) -> tuple[np.ndarray, Tensor]:
    with torch.enable_grad():
        log_probs_BC = model(**inputs).logits.log_softmax(dim=-1)
    return log_probs_BC.detach().double().exp().cpu().numpy(), log_probs_BC


def _gradient(log_probs_BC: Tensor, labels_B: np.ndarray, leaf_BTH: Tensor) -> Tensor:
    """Gradient of each row's own log-probability. Rows do not see each other, so the sum's gradient is theirs."""
    index_B1 = torch.as_tensor(labels_B, device=log_probs_BC.device).long().unsqueeze(1)
    return torch.autograd.grad(log_probs_BC.gather(1, index_B1).sum(), leaf_BTH)[0]


class _Path:
    """Where on the path the next forward stands, and the leaf tensor it put in place of the embeddings."""

    scale: float = 1.0
    leaf_BTH: Tensor


@contextlib.contextmanager
def scaled_embeddings(model: PreTrainedModel) -> Iterator[_Path]:
    """While open, every forward goes on from scale * (output of the embedding block), a leaf that wants a gradient."""
    path = _Path()

    def replace_output(module: nn.Module, arguments: tuple, output_BTH: Tensor) -> Tensor:
        path.leaf_BTH = (output_BTH.detach() * path.scale).requires_grad_()
        return path.leaf_BTH

    handle = embedding_block(model).register_forward_hook(replace_output)
    try:
        yield path
    finally:
        handle.remove()


def embedding_block(model: PreTrainedModel) -> nn.Module:
    """The module that turns ids into the encoder's first hidden states; raises ArtifactError where there is none."""
    block = getattr(model.base_model, "embeddings", None)
    if not isinstance(block, nn.Module):
        raise ArtifactError(f"a {model.config.model_type} model has no embedding block that can be explained")
    return block


@contextlib.contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """While open, no parameter wants a gradient: backward stops at the embeddings."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[None]:
    """Evaluation mode while open, then each module's own mode again."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True


def token_batches(lengths: Sequence[int], batch_tokens: int) -> list[list[int]]:
    """Positions of the inputs, grouped by similar length so that rows * longest <= batch_tokens.

    An input longer than the budget has a batch of its own. Shortest first; equal lengths keep their order.
    """
    batches: list[list[int]] = []
    for position in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        longest = max(lengths[position], 1)  # sorted: the newcomer is the longest of its batch
        if batches and (len(batches[-1]) + 1) * longest <= batch_tokens:
            batches[-1].append(position)
        else:
            batches.append([position])
    return batches
