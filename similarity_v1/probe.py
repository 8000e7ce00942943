"""A classifier as a function of its embeddings: what every attribution method asks its questions of.

Let e (B, T, H) be what the embedding block puts out for a batch. While a probe is open, F(e') is the explained number
when the rest of the model goes on from e' instead, row by row; `gradients` gives dF/de'. Points that belong to the
batch's rows (steps of a path, noisy copies, left-out words) are laid into forward passes of at most `batch_tokens`
tokens, so memory does not grow with their number.
Shapes: B rows of the batch, N points at a time, T tokens, H hidden, C classes.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from final_project.errors import ArtifactError, RecipeError
from final_project.model.decision import Decision, two_class_logits
from similarity_v1.encoding import EncodedRow
from similarity_v1.target import CLASSES, SCORE, Question, Target, log_probabilities, question

BASELINES = ("zero", "mask", "pad")


@dataclass(frozen=True)
class Reading:
    """How to read a model: its kind (target.py), the target, the rule of decision (None: the arg max), the tokens in
    one pass, fp32 or bf16, and the ids of the tokens that may stand for nothing (None where the tokenizer has none)."""

    kind: str = CLASSES
    target: Target = "predicted"
    decision: Decision | None = None
    batch_tokens: int = 8192
    precision: str = "fp32"
    token_ids: dict[str, int | None] | None = None


class Probe:
    """One batch under question. Made by `probing`, whose hook it steers.

    labels_B, probabilities_BC: of the untouched forward (the scores themselves for a model that gives scores).
    embedded_BTH: e. value_B: F(e). mask_BT: 1 where there is no padding. content_BT: True for tokens of the texts.
    """

    def __init__(self, model: Any, inputs: dict[str, Tensor], rows: Sequence[EncodedRow], reading: Reading):
        self.model, self.inputs, self.rows, self.reading = model, inputs, rows, reading
        self.mask_BT = inputs["attention_mask"]
        self._starting = False
        self._instead_NTH: Tensor | None = None
        self._block_call: tuple[tuple, dict] = ((), {})
        self._leaf_BTH: Tensor

    @property
    def content_BT(self) -> Tensor:
        width = self.mask_BT.shape[1]
        sides = [[side is not None for side in row.side_T] + [False] * (width - len(row)) for row in self.rows]
        return torch.tensor(sides, device=self.mask_BT.device)

    def start(self, with_gradient: bool) -> None:
        """The untouched forward: it decides the labels, and its graph serves `gradient_at_input`."""
        kind, decision = self.reading.kind, self.reading.decision or Decision()
        self._starting = True
        with torch.set_grad_enabled(with_gradient):
            logits_BC = self._logits(self.inputs)
            self._starting = False
            log_probs_BC = log_probabilities(kind, logits_BC).detach().double()
        self.probabilities_BC = (log_probs_BC if kind == SCORE else log_probs_BC.exp()).cpu().numpy()
        self.labels_B = decision.labels(self.probabilities_BC) if kind == CLASSES else self.probabilities_BC.argmax(1)
        labels_B = torch.as_tensor(self.labels_B, device=logits_BC.device).long()
        self.question: Question = question(self.reading.target, kind, logits_BC, labels_B)
        with torch.set_grad_enabled(with_gradient):
            self._value_B = self.question.values(logits_BC, torch.arange(len(labels_B), device=labels_B.device))
        self.value_B = self._value_B.detach()
        self.embedded_BTH = self._leaf_BTH.detach()

    def gradient_at_input(self) -> Tensor:
        """dF/de at e, (B, T, H), from the forward that has been made already; it can be had once."""
        return torch.autograd.grad(self._value_B.sum(), self._leaf_BTH)[0]

    def points(self, n_points: int) -> Iterator[tuple[Tensor, Tensor]]:
        """(rows_N, points_N) that cover every row at points 0 .. n_points - 1, as many at a time as one pass takes.

        A row's points come in order.
        """
        n_rows = len(self.rows)
        for begin in range(0, n_rows * n_points, self.at_once):
            end = min(begin + self.at_once, n_rows * n_points)
            items_N = torch.arange(begin, end, device=self.mask_BT.device)
            yield items_N % n_rows, items_N // n_rows

    @property
    def at_once(self) -> int:
        """How many points one pass takes; at least one."""
        return max(self.reading.batch_tokens // self.mask_BT.shape[1], 1)

    def forward(self, embedded_NTH: Tensor, rows_N: Tensor) -> Tensor:
        """F at N points that belong to the given rows, (N,); part of autograd's graph where that is wanted."""
        self._instead_NTH = embedded_NTH
        try:
            logits_NC = self._logits({key: value_BT[rows_N] for key, value_BT in self.inputs.items()})
        finally:
            self._instead_NTH = None
        return self.question.values(logits_NC, rows_N)

    @torch.no_grad()
    def values(self, embedded_NTH: Tensor, rows_N: Tensor) -> Tensor:
        return self.forward(embedded_NTH, rows_N)

    def gradients(self, embedded_NTH: Tensor, rows_N: Tensor) -> Tensor:
        """dF/de' at N points, (N, T, H). Rows do not see each other, so the sum's gradient is theirs."""
        leaf_NTH = embedded_NTH.detach().requires_grad_()
        with torch.enable_grad():
            return torch.autograd.grad(self.forward(leaf_NTH, rows_N).sum(), leaf_NTH)[0]

    def baseline(self, name: str) -> Tensor:
        """What stands for an input that says nothing, (B, T, H).

        zero: zeros everywhere. mask, pad: e as it would be if every token of the texts were that token; special tokens,
        positions and segments as they are. Raises RecipeError where the tokenizer has no such token.
        """
        if name == "zero":
            return torch.zeros_like(self.embedded_BTH)
        token_id = (self.reading.token_ids or {}).get(name)
        if token_id is None:
            raise RecipeError([f"baseline {name}: the tokenizer has no {name} token; use zero"])
        words, block = base_of(self.model).get_input_embeddings(), embedding_block(self.model)
        ids_BT = torch.where(self.content_BT, token_id, self.inputs["input_ids"])

        if block is words:
            with torch.no_grad():
                return words.forward(ids_BT).float()
        handle, (arguments, keywords) = words.register_forward_pre_hook(lambda *_: (ids_BT,)), self._block_call
        try:
            with torch.no_grad(), self._autocast():
                # past the block's own hooks, which have had their say about these arguments
                return block.forward(*arguments, **keywords).float()
        finally:
            handle.remove()

    def _logits(self, inputs: dict[str, Tensor]) -> Tensor:
        with self._autocast():
            logits_BC = self.model(**inputs).logits.float()
        return two_class_logits(logits_BC) if self.reading.kind == CLASSES else logits_BC

    def _autocast(self) -> contextlib.AbstractContextManager:
        enabled = self.reading.precision == "bf16"
        return torch.autocast(self.mask_BT.device.type, dtype=torch.bfloat16, enabled=enabled)

    def replace_output(self, module: nn.Module, arguments: tuple, keywords: dict, output_BTH: Tensor) -> Tensor:
        """The hook on the embedding block: go on from the given points, or at the start from e as a leaf that wants a
        gradient."""
        if self._instead_NTH is not None:
            return self._instead_NTH.to(output_BTH.dtype)
        if not self._starting:
            return output_BTH
        self._block_call = (arguments, keywords)
        self._leaf_BTH = output_BTH.detach().float().requires_grad_(torch.is_grad_enabled())
        return self._leaf_BTH.to(output_BTH.dtype)


@contextlib.contextmanager
def probing(
    model: Any, inputs: dict[str, Tensor], rows: Sequence[EncodedRow], reading: Reading, with_gradient: bool
) -> Iterator[Probe]:
    """A probe of one padded batch, started. The model comes back as it was: its mode, hooks and requires_grad flags; no
    parameter receives a gradient."""
    probe = Probe(model, inputs, rows, reading)
    with evaluating(model), frozen(model):
        handle = embedding_block(model).register_forward_hook(probe.replace_output, with_kwargs=True)
        try:
            probe.start(with_gradient)
            yield probe
        finally:
            handle.remove()


def embedding_block(model: Any) -> nn.Module:
    """The module that turns ids into the encoder's first hidden states: the encoder's `embeddings`, or its word
    embeddings where it has no such block. Raises ArtifactError where it has neither."""
    base = base_of(model)
    block = getattr(base, "embeddings", None)
    if isinstance(block, nn.Module):
        return block
    try:
        return base.get_input_embeddings()
    except (AttributeError, NotImplementedError) as error:
        raise ArtifactError(
            f"a {model.config.model_type} model has no embedding block that can be explained"
        ) from error


def base_of(model: Any) -> Any:
    """The encoder below a classifier's head."""
    return getattr(model, "base_model", model)


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
