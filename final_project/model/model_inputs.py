"""What a model is given, found from the model itself: which inputs, which padding token, and whether rows of several
lengths may share a batch.

Nothing here rests on a list of model types. A short row is asked alone and beside longer ones; where the answers differ
by more than rounding, the model's answer depends on padding (convolutions, Fourier transforms, pooling over time, or a
head that reads the last place), and batches hold rows of one length only.
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
Row = dict[str, list[int]]  # name of the input -> a number a token
SAMPLE_TOKENS = 7
MORE_TOKENS = (1, 6, 57)  # by how many tokens the rows beside the sample are longer
RELATIVE_ROUNDING = 1e-4  # of the largest logit: a hundred times what float32 makes of a deep encoder's
SMALLEST_LOGIT = 1e-2  # rounding comes from hidden states, which are of size 1 also where a logit is almost 0


@dataclass(frozen=True)
class ModelInputs:
    """keys: the inputs that the tokenizer makes and the model takes. pad_id: fills up input_ids. one_length: padding
    changes the model's answer by more than rounding, so a batch holds rows of one length only."""

    keys: tuple[str, ...]
    pad_id: int
    one_length: bool


def inspect_inputs(model: nn.Module, tokenizer: PreTrainedTokenizerBase, longest: int) -> ModelInputs:
    """Ask the model a few short rows, in evaluation mode and on its own device. longest: the tokens that it takes.

    Raises ArtifactError where there is no padding token, where the model fails on a row of its own tokenizer, or where
    the rows of a batch change each other's answers whatever their lengths.
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
                f"this {name} model answers a row otherwise, or not at all, beside another row in a batch; "
                "a decoder needs a pad_token_id in its config.json"
            )
    return ModelInputs(tuple(keys), pad_id, one_length=True)


def padding_matters(ask: Callable[[list[One]], Tensor], row: One, others: Sequence[One]) -> bool:
    """Whether the row's answer beside any one of the others differs from its answer alone by more than rounding, or the
    model fails on the two together. ask: rows, in whatever form, -> logits (B, C)."""
    alone_C = ask([row])[0]
    for other in others:
        try:
            beside_C = ask([row, other])[0]
        except Exception:  # a model that takes one row at a time says so with an error of its own kind
            return True
        size = max(float(alone_C.abs().max()), SMALLEST_LOGIT)
        relative = max(RELATIVE_ROUNDING, 8 * torch.finfo(alone_C.dtype).eps)
        if float((alone_C.float() - beside_C.float()).abs().max()) > relative * size:
            return True
    return False


def input_keys(model: nn.Module, tokenizer: PreTrainedTokenizerBase) -> list[str]:
    """The inputs that the tokenizer makes and the model can use: token types only where the model tells two apart."""
    takes = inspect.signature(model.forward).parameters
    any_takes = any(parameter.kind is parameter.VAR_KEYWORD for parameter in takes.values())
    keys = [key for key in tokenizer.model_input_names if key in takes or (any_takes and key != "token_type_ids")]
    if not takes_token_types(model) and "token_type_ids" in keys:
        keys.remove("token_type_ids")
    return keys if "attention_mask" in keys else [*keys, "attention_mask"]


def takes_token_types(model: nn.Module) -> bool:
    """Whether the model has an input for token types, and tells at least two of them apart."""
    told_apart = getattr(model.config, "type_vocab_size", 2)
    return "token_type_ids" in inspect.signature(model.forward).parameters and (told_apart is None or told_apart >= 2)


def padding_id(model: nn.Module, tokenizer: PreTrainedTokenizerBase) -> int:
    """What fills up input_ids: the model's own padding token where its configuration names one, since the head of a
    decoder finds the last token by it; else the tokenizer's. Raises ArtifactError where neither names any."""
    own, n_ids = getattr(model.config, "pad_token_id", None), n_embeddings(model)
    if isinstance(own, int) and own >= 0 and (n_ids is None or own < n_ids):
        return own
    if tokenizer.pad_token_id is None:
        raise ArtifactError(
            f"{getattr(tokenizer, 'name_or_path', '') or type(tokenizer).__name__}: neither tokenizer nor config.json "
            "names a padding token; give both one (tokenizer.pad_token, config.pad_token_id)"
        )
    return tokenizer.pad_token_id


def padded(rows: Sequence[Row], pad_id: int, device: torch.device | str) -> dict[str, Tensor]:
    """The rows as (B, T) tensors, filled up on the right: input_ids with the padding token, everything else with 0."""
    longest = max(len(row["input_ids"]) for row in rows)
    filler = {"input_ids": pad_id}
    return {
        key: torch.tensor(
            [row[key] + [filler.get(key, 0)] * (longest - len(row["input_ids"])) for row in rows], device=device
        )
        for key in rows[0]
    }


def sample_row(model: nn.Module, tokenizer: PreTrainedTokenizerBase, keys: Sequence[str]) -> Row | None:
    """A short row with the tokenizer's own special tokens around tokens from all over its vocabulary; None where the
    tokenizer makes no tokens that the model has."""
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
    return stretched(row, 2)  # a token that is repeated already: one more of it brings no new neighbours


def stretched(row: Row, n_more: int) -> Row:
    """The row with the token in its middle repeated so many times more."""
    at = len(row["input_ids"]) // 2
    return {key: [*values[:at], *[values[at]] * n_more, *values[at:]] for key, values in row.items()}


def with_other_tokens(row: Row) -> Row:
    """Another row of the same length: every token between the first and the last replaced by the one in the middle."""
    ids = row["input_ids"]
    return {**row, "input_ids": [ids[0], *[ids[len(ids) // 2]] * (len(ids) - 2), ids[-1]]} if len(ids) > 2 else row


def n_embeddings(model: nn.Module) -> int | None:
    """Rows of the table of word embeddings; None where the model has none that is found."""
    try:
        return len(model.get_input_embeddings().weight)
    except (AttributeError, NotImplementedError, TypeError):
        return None


@contextlib.contextmanager
def evaluation_mode(model: nn.Module) -> Iterator[None]:
    """Evaluation mode while open, then each module's own mode again."""
    training = [module for module in model.modules() if module.training]
    model.eval()
    try:
        yield
    finally:
        for module in training:
            module.training = True
