"""A classifier as a function of its embeddings: what every attribution method queries.

Let e (B, T, H) be what the embedding block puts out for a batch. While a probe is open, F(e') is the explained number
when the rest of the model continues from e' instead, row by row; `gradients` gives dF/de'. Points that belong to the
batch's rows (steps of a path, noisy copies, left-out words) are laid into forward passes of at most `batch_tokens`
tokens, so memory does not grow with their number.
Shapes: B rows of the batch, N points at a time, T tokens, H hidden, C classes.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from final_project.errors import ArtifactError, RecipeError
from final_project.model.decision import Decision, two_class_logits
from final_project.model.model_inputs import evaluation_mode
from similarity_v1.explain.embedding_calls import (
    IdsCall,
    a_model,
    embedding_block,
    encoder_below_head,
    ids_call,
    word_table,
)
from similarity_v1.explain.encoding import EncodedRow
from similarity_v1.explain.target import CLASSES, SCORE, ExplainedNumber, Target, log_probabilities_or_scores, question


@dataclass(frozen=True)
class Reading:
    """How to read a model: its kind (target.py), the target, the rule of decision (None: the arg max), the tokens in
    one pass, fp32 or bf16, token ids usable as a baseline (None where the tokenizer has none), and
    the module that embeds the ids (None: that of its name, embedding_calls.embedding_block)."""

    kind: str = CLASSES
    target: Target = "predicted"
    decision: Decision | None = None
    batch_tokens: int = 8192
    precision: str = "fp32"
    token_ids: dict[str, int | None] | None = None
    block: nn.Module | None = None


class Probe:
    """One batch under question. Made by `probing`, whose hook it steers.

    Of all calls of the embedding block the one whose argument is the ids is replaced; every other one passes through.
    A forward in which the ids are embedded never or more than once raises ArtifactError.
    labels_B, probabilities_BC: of the untouched forward (the scores themselves for a model that gives scores).
    embedded_BTH: e. value_B: F(e). mask_BT: 1 where there is no padding. content_BT: True for tokens of the texts.
    """

    def __init__(self, model: Any, inputs: dict[str, Tensor], rows: Sequence[EncodedRow], reading: Reading):
        self.model, self.inputs, self.rows, self.reading = model, inputs, rows, reading
        self.mask_BT = inputs["attention_mask"]
        self.block = reading.block if reading.block is not None else embedding_block(model)
        self._starting = False
        self._instead_NTH: Tensor | None = None
        self._ids_NT: Tensor = inputs["input_ids"]
        self._n_ids_calls = 0
        self._block_call: IdsCall
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
            try:
                self.logits_BC = logits_BC = self._logits(self.inputs)
            finally:
                self._starting = False
            log_probs_BC = log_probabilities_or_scores(kind, logits_BC).detach().double()
        self.probabilities_BC = (log_probs_BC if kind == SCORE else log_probs_BC.exp()).cpu().numpy()
        self.labels_B = decision.labels(self.probabilities_BC) if kind == CLASSES else self.probabilities_BC.argmax(1)
        labels_B = torch.as_tensor(self.labels_B, device=logits_BC.device).long()
        self.question: ExplainedNumber = question(self.reading.target, kind, logits_BC, labels_B)
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
        return self.question.values(self.logits(embedded_NTH, rows_N), rows_N)

    def logits(self, embedded_NTH: Tensor, rows_N: Tensor, in_float32: bool = False) -> Tensor:
        """(N, C) the model's answers at N points that belong to the given rows. in_float32: whatever the precision."""
        self._instead_NTH = embedded_NTH
        inputs = {key: value_BT[rows_N] for key, value_BT in self.inputs.items()}
        try:
            return self._logits(inputs, "fp32" if in_float32 else None)
        finally:
            self._instead_NTH = None

    @torch.no_grad()
    def values(self, embedded_NTH: Tensor, rows_N: Tensor) -> Tensor:
        return self.forward(embedded_NTH, rows_N)

    def gradients(self, embedded_NTH: Tensor, rows_N: Tensor) -> Tensor:
        """dF/de' at N points, (N, T, H). Rows do not see each other, so the sum's gradient is theirs."""
        leaf_NTH = embedded_NTH.detach().requires_grad_()
        with torch.enable_grad():
            return torch.autograd.grad(self.forward(leaf_NTH, rows_N).sum(), leaf_NTH)[0]

    def baseline(self, name: str) -> Tensor:
        """The embeddings of an uninformative input, (B, T, H).

        zero: zeros everywhere. mask, pad: e as it would be if every token of the texts were that token; special tokens,
        positions and segments as they are. Raises RecipeError where the tokenizer has no such token.
        """
        if name == "zero":
            return torch.zeros_like(self.embedded_BTH)
        token_id = (self.reading.token_ids or {}).get(name)
        if token_id is None:
            raise RecipeError([f"baseline {name}: the tokenizer has no {name} token; use zero"])
        ids_BT = torch.where(self.content_BT, token_id, self.inputs["input_ids"])
        return self.embedded_with(ids_BT)

    @torch.no_grad()
    def embedded_with(self, ids_BT: Tensor) -> Tensor:
        """e as it would be with these ids in the word table, (B, T, H); what else the block makes of ids stays."""
        call, words = self._block_call, word_table(encoder_below_head(self.model))
        n_looked_up = 0

        def look_up_others(_module: nn.Module, arguments: tuple, keywords: dict) -> tuple[tuple, dict] | None:
            nonlocal n_looked_up
            if looked_up := ids_call(arguments, keywords, self.inputs["input_ids"]):
                n_looked_up += 1
                return looked_up.with_ids(ids_BT)
            return None

        # block.forward skips the block's own hooks: they have processed these arguments already
        if words is not None and words is not self.block:
            handle = words.register_forward_pre_hook(look_up_others, with_kwargs=True)
            try:
                with self._autocast():
                    output = self.block.forward(*call.arguments, **call.keywords)
            finally:
                handle.remove()
            if n_looked_up:
                return call.embedded(output).float()
        arguments, keywords = call.with_ids(ids_BT)
        with self._autocast():
            return call.embedded(self.block.forward(*arguments, **keywords)).float()

    @staticmethod
    def ask(model: Any, inputs: dict[str, Tensor]) -> Tensor:
        """The model's own logits; a model that knows no mask (FNet) gets none."""
        takes = inspect.signature(model.forward).parameters
        if "attention_mask" not in takes and not any(p.kind is p.VAR_KEYWORD for p in takes.values()):
            inputs = {key: value for key, value in inputs.items() if key != "attention_mask"}
        return model(**inputs).logits

    def _logits(self, inputs: dict[str, Tensor], precision: str | None = None) -> Tensor:
        self._ids_NT, self._n_ids_calls = inputs["input_ids"], 0
        with self._autocast(precision):
            logits_BC = self.ask(self.model, inputs).float()
        if self._n_ids_calls != 1:
            n_times = f"{self._n_ids_calls} times" if self._n_ids_calls else "not at all"
            raise ArtifactError(
                f"{a_model(self.model)} gives the ids of a text {n_times} to its embedding block "
                f"({type(self.block).__name__}): once is what an explanation needs"
            )
        return two_class_logits(logits_BC) if self.reading.kind == CLASSES else logits_BC

    def _autocast(self, precision: str | None = None) -> contextlib.AbstractContextManager:
        enabled = (precision or self.reading.precision) == "bf16"
        return torch.autocast(self.mask_BT.device.type, dtype=torch.bfloat16, enabled=enabled)

    def replace_output(self, module: nn.Module, arguments: tuple, keywords: dict, output: Any) -> Any:
        """The hook on the embedding block: when it embeds the ids, continue from the given points, or at the start from
        e as a leaf that requires a gradient."""
        call = ids_call(arguments, keywords, self._ids_NT)
        if call is None:
            return output
        self._n_ids_calls += 1
        if self._instead_NTH is not None:
            return call.output_with(self._instead_NTH, output)
        if not self._starting:
            return output
        self._block_call = call
        self._leaf_BTH = call.embedded(output).detach().float().requires_grad_(torch.is_grad_enabled())
        return call.output_with(self._leaf_BTH, output)


@contextlib.contextmanager
def probing(
    model: Any, inputs: dict[str, Tensor], rows: Sequence[EncodedRow], reading: Reading, with_gradient: bool
) -> Iterator[Probe]:
    """A probe of one padded batch, started. The model comes back as it was: its mode, hooks and requires_grad flags; no
    parameter receives a gradient."""
    probe = Probe(model, inputs, rows, reading)
    with evaluation_mode(model), frozen(model):
        handle = probe.block.register_forward_hook(probe.replace_output, with_kwargs=True)
        try:
            probe.start(with_gradient)
            yield probe
        finally:
            handle.remove()


@contextlib.contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """While open, no parameter requires a gradient: backward stops at the embeddings."""
    trainable = [parameter for parameter in model.parameters() if parameter.requires_grad]
    for parameter in trainable:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in trainable:
            parameter.requires_grad_(True)
