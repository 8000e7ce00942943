"""Which calls of a module embed the ids of a batch, and how ids or embeddings are exchanged in them.

A model may call its embedding module with other things, too: GPT-2 looks up token types in its word table. So a call is
known by its argument, not by its place among the calls. A model may also hand over the ids turned (XLNet) or with
padding of its own on the right (Longformer).
Shapes: B rows, T tokens, H hidden.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from final_project.errors import ArtifactError

AS_GIVEN, TURNED, EXTENDED = "as given", "turned", "extended"


@dataclass(frozen=True)
class IdsCall:
    """A call with the batch's ids. place: of the ids among the arguments, a position or a name. layout: how they are
    laid out there: (B, T), (T, B), or (B, T + some)."""

    arguments: tuple
    keywords: dict[str, Any]
    place: int | str
    layout: str
    n_tokens: int

    def with_ids(self, ids_BT: Tensor) -> tuple[tuple, dict[str, Any]]:
        """The arguments of the same call for other ids of the same rows."""
        if isinstance(self.place, str):
            return self.arguments, {**self.keywords, self.place: self._laid_out(ids_BT, self.keywords[self.place])}
        ids = self._laid_out(ids_BT, self.arguments[self.place])
        return (*self.arguments[: self.place], ids, *self.arguments[self.place + 1 :]), self.keywords

    def embedded(self, output: Any) -> Tensor:
        """What the call gave -> (B, T, H). Raises ArtifactError where it is no embedding of each token."""
        found = output[0] if isinstance(output, tuple) and output else output
        if not isinstance(found, Tensor) or found.dim() != 3 or not found.is_floating_point():
            raise ArtifactError("its embedding block does not give one vector for each token")
        if self.layout == TURNED:
            found = found.transpose(0, 1)
        found = found[:, : self.n_tokens] if self.layout == EXTENDED else found
        if found.shape[1] != self.n_tokens:
            raise ArtifactError("its embedding block does not give one vector for each token")
        return found

    def output_with(self, embedded_BTH: Tensor, output: Any) -> Any:
        """What the call gave, with these embeddings instead of its own. They are copied, since a model may change in
        place what its block gave (CTRL), and laid out in memory as a module's output is."""
        first = output[0] if isinstance(output, tuple) else output
        laid_out = self._laid_out(embedded_BTH.to(first.dtype), first).clone(memory_format=torch.contiguous_format)
        return (laid_out, *output[1:]) if isinstance(output, tuple) else laid_out

    def _laid_out(self, values: Tensor, before: Tensor) -> Tensor:
        if self.layout == TURNED:
            return values.transpose(0, 1)
        return torch.cat([values, before[:, self.n_tokens :]], dim=1) if self.layout == EXTENDED else values


def ids_call(arguments: tuple, keywords: dict[str, Any], ids_BT: Tensor) -> IdsCall | None:
    """The call with these arguments, if one of them is the batch's ids."""
    places: list[tuple[int | str, Any]] = [*enumerate(arguments), *keywords.items()]
    for place, value in places:
        if layout := _layout(value, ids_BT):
            return IdsCall(arguments, keywords, place, layout, ids_BT.shape[1])
    return None


def _layout(value: Any, ids_BT: Tensor) -> str | None:
    if not isinstance(value, Tensor) or value.dim() != 2 or value.is_floating_point() or value.is_complex():
        return None
    if value.shape == ids_BT.shape and bool((value == ids_BT).all()):
        return AS_GIVEN
    if value.shape == ids_BT.T.shape and bool((value == ids_BT.T).all()):
        return TURNED
    n_rows, n_tokens = ids_BT.shape
    if value.shape[0] == n_rows and value.shape[1] > n_tokens and bool((value[:, :n_tokens] == ids_BT).all()):
        return EXTENDED
    return None


def word_table(base: Any) -> nn.Module | None:
    """The module that transformers calls a model's input embeddings, where it has one."""
    try:
        found = base.get_input_embeddings()
    except (AttributeError, NotImplementedError):
        return None
    return found if isinstance(found, nn.Module) else None


def embedding_block(model: Any) -> nn.Module:
    """The module that turns ids into the encoder's first hidden states, by its name: the encoder's `embeddings`, or its
    word table where it has no such block. Raises ArtifactError where it has neither."""
    base = encoder_below_head(model)
    for block in (getattr(base, "embeddings", None), word_table(base)):
        if isinstance(block, nn.Module):
            return block
    raise ArtifactError(f"{a_model(model)} has no embedding block that can be explained")


def encoder_below_head(model: Any) -> Any:
    """The encoder below a classifier's head."""
    return getattr(model, "base_model", model)


def a_model(model: Any) -> str:
    """The model in a sentence."""
    return f"the model (model_type {getattr(model.config, 'model_type', None) or type(model).__name__})"
