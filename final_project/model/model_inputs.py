"""Find out from a model which inputs it takes, its padding token, and whether rows of different lengths may share a
batch.

There is no list of model types. The model answers a short row alone and together with longer ones. If the answers
differ by more than rounding, they depend on padding (convolutions, Fourier transforms, pooling over time, a head that
reads the last position), and batches must have rows of one length only.
Shapes: B rows, T tokens of the longest, C outputs.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from final_project.errors import ArtifactError, first_line

One = TypeVar("One")
Row = dict[str, list[int]]  # input name -> one number per token
SAMPLE_TOKENS = 7
MORE_TOKENS = (1, 6, 57)  # how many tokens longer than the sample the other rows are
RELATIVE_ROUNDING = 1e-4  # relative to the largest logit: 100 times the float32 rounding of a deep encoder
SMALLEST_LOGIT = (
    1e-2  # lower bound of that logit: rounding comes from hidden states of size 1, also if logits are near 0
)


@dataclass(frozen=True)
class ModelInputs:
    """keys: the inputs that the tokenizer makes and the model takes. pad_id: pads input_ids. one_length: padding
    changes the model's answer by more than rounding, so a batch must have rows of one length only."""

    keys: tuple[str, ...]
    pad_id: int
    one_length: bool


def inspect_inputs(model: nn.Module, tokenizer: PreTrainedTokenizerBase, longest: int) -> ModelInputs:
    """Run the model on a few short rows, in evaluation mode and on its own device. longest: most tokens that it takes.

    Raises ArtifactError if there is no padding token, if the model fails on a row of its own tokenizer, or if rows of a
    batch change each other's answers even at equal lengths.
    """
    keys, pad_id = input_keys(model, tokenizer), padding_id(model, tokenizer)
    row = sample_row(model, tokenizer, keys)
    if row is None:
        return ModelInputs(tuple(keys), pad_id, one_length=True)
    device = next(model.parameters()).device

    def ask(rows: Sequence[Row]) -> Tensor:
        with torch.no_grad():
            return model(**padded(rows, pad_id, device)).logits

    name = getattr(model.config, "model_type", type(model).__name__)
    with evaluation_mode(model):
        try:
            ask([row])
        except Exception as error:  # whatever the model's own code raises
            raise ArtifactError(
                f"this {name} model fails on a row of {len(row['input_ids'])} tokens: {first_line(error)}"
            ) from error
        longer = [stretched(row, more) for more in MORE_TOKENS if len(row["input_ids"]) + more <= longest]
        if not padding_matters(ask, row, longer):
            return ModelInputs(tuple(keys), pad_id, one_length=False)
        if not torch.equal(ask([row]), ask([row])):
            raise ArtifactError(f"this {name} model: its answer to the same text differs from one time to the next")
        if padding_matters(ask, row, [with_other_tokens(row)]):
            raise ArtifactError(
                f"this {name} model gives a row another answer, or fails, when another row is in its batch; "
                "a decoder needs a pad_token_id in its config.json"
            )
    return ModelInputs(tuple(keys), pad_id, one_length=True)


def padding_matters(ask: Callable[[list[One]], Tensor], row: One, others: Sequence[One]) -> bool:
    """Whether another row in the batch changes the row's answer by more than rounding, or makes the model fail. ask:
    rows in any form -> logits (B, C)."""
    alone_C = ask([row])[0]
    for other in others:
        try:
            beside_C = ask([row, other])[0]
        except Exception:  # a model that takes one row at a time raises its own kind of error
            return True
        size = max(float(alone_C.abs().max()), SMALLEST_LOGIT)
        relative = max(RELATIVE_ROUNDING, 8 * torch.finfo(alone_C.dtype).eps)
        if float((alone_C.float() - beside_C.float()).abs().max()) > relative * size:
            return True
    return False


def input_keys(model: nn.Module, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The inputs that the tokenizer makes and the model can use: token types only if the model distinguishes two."""
    takes = inspect.signature(model.forward).parameters
    any_takes = any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes.values())
    keys = [key for key in tokenizer.model_input_names if key in takes or (any_takes and key != "token_type_ids")]
    if not takes_token_types(model) and "token_type_ids" in keys:
        keys.remove("token_type_ids")
    return keys if "attention_mask" in keys else [*keys, "attention_mask"]


def takes_token_types(model: nn.Module) -> bool:
    """Whether the model has an input for token types and distinguishes at least two."""
    n_types = getattr(model.config, "type_vocab_size", 2)
    return "token_type_ids" in inspect.signature(model.forward).parameters and (n_types is None or n_types >= 2)


def padding_id(model: nn.Module, tokenizer: PreTrainedTokenizerBase) -> int:
    """The id that pads input_ids: the one in the model's configuration, by which a decoder's head finds the last token;
    else the tokenizer's. Raises ArtifactError if neither has one."""
    own, n_ids = getattr(model.config, "pad_token_id", None), n_embeddings(model)
    if isinstance(own, int) and own >= 0 and (n_ids is None or own < n_ids):
        return own
    if tokenizer.pad_token_id is None:
        raise ArtifactError(
            f"{getattr(tokenizer, 'name_or_path', '') or type(tokenizer).__name__}: neither tokenizer nor config.json "
            "names a padding token; set it in both (tokenizer.pad_token, config.pad_token_id)"
        )
    return tokenizer.pad_token_id


def padded(rows: Sequence[Row], pad_id: int, device: torch.device | str) -> dict[str, Tensor]:
    """The rows as (B, T) tensors, padded on the right: input_ids with the padding token, other inputs with 0."""
    longest = max(len(row["input_ids"]) for row in rows)
    filler = {"input_ids": pad_id}
    return {
        key: torch.tensor(
            [row[key] + [filler.get(key, 0)] * (longest - len(row["input_ids"])) for row in rows], device=device
        )
        for key in rows[0]
    }


def sample_row(model: nn.Module, tokenizer: PreTrainedTokenizerBase, keys: Sequence[str]) -> Row | None:
    """A short row of tokens from all over the vocabulary between the tokenizer's special tokens; None if the tokenizer
    makes tokens that the model does not have."""
    n_ids = min(filter(None, (len(tokenizer), n_embeddings(model))))
    special = set(tokenizer.all_special_ids)
    ids = [n_ids * k // 8 for k in range(1, 8)]
    text = tokenizer.decode([id_ for id_ in ids if id_ not in special]) or "1"
    types = "token_type_ids" in keys
    encoding = tokenizer(
        text, truncation=True, max_length=SAMPLE_TOKENS, return_token_type_ids=types, return_attention_mask=True
    )
    row = {key: list(encoding[key]) for key in keys if key in encoding}
    if not row["input_ids"] or max(row["input_ids"]) >= n_ids:
        return None
    return stretched(row, 2)  # with a repeated token, so that one more repetition makes no new neighbours


def stretched(row: Row, n_more: int) -> Row:
    """The row with its middle token repeated n_more more times."""
    at = len(row["input_ids"]) // 2
    return {key: [*values[:at], *[values[at]] * n_more, *values[at:]] for key, values in row.items()}


def with_other_tokens(row: Row) -> Row:
    """Another row of the same length: every token but the first and last replaced by the middle one."""
    ids = row["input_ids"]
    return {**row, "input_ids": [ids[0], *[ids[len(ids) // 2]] * (len(ids) - 2), ids[-1]]} if len(ids) > 2 else row


def n_embeddings(model: nn.Module) -> int | None:
    """Rows of the word-embedding table; None if the model has no such table."""
    find = getattr(model, "get_input_embeddings", None)
    try:
        return len(find().weight) if find else None
    except (AttributeError, NotImplementedError, TypeError):
        return None


@contextlib.contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Evaluation mode inside the block; each module's own mode is restored after it."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
