"""Check before the first row that the methods can explain the model, by a trial on one short text.

What is assumed of a model is that the ids of a text reach its answer through one module, called with them once, which
gives one vector for each token, made from that token alone; and that the same input has the same answer. Each is tried
here, so that a model of another kind is refused with a reason instead of explained wrongly.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from final_project.errors import ArtifactError, ProjectError, first_line
from final_project.model.custom_parts import custom_embeddings
from final_project.model.model_inputs import ModelInputs
from similarity_v1.explain.embedding_calls import a_model, encoder_below_head, ids_call, word_table
from similarity_v1.explain.encoding import EncodedRow, encode, pad
from similarity_v1.explain.methods.method import Method
from similarity_v1.explain.probe import Probe, Reading, evaluation_mode, probing

TEXT = "我 你 好 吗 a b c 1 2 3"
CLOSE = {"rtol": 1e-4, "atol": 1e-5}


def check_model(
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    reading: Reading,
    method: Method,
    given: ModelInputs,
    limit: int,
) -> Reading:
    """The reading, with the module that embeds the ids.

    given: what the model is given; limit: its longest input. Raises ArtifactError naming what the model lacks.
    """
    rows = encode(tokenizer, limit, [(TEXT,)], [[TEXT.split()]], given.keys)
    inputs = pad(rows, given.pad_id, next(model.parameters()).device)
    others = other_ids(model, tokenizer)
    try:
        reading = dataclasses.replace(reading, block=find_block(model, inputs, rows, reading, others))
        if getattr(method, "looks_inside", False):
            with probing(model, inputs, rows, reading, method.needs_gradient) as probe:
                method(probe)
        elif not getattr(method, "answers_only", False):
            try_gradient(model, inputs, rows, reading)
    except (ProjectError, torch.OutOfMemoryError):
        raise
    except Exception as error:  # whatever a foreign model raises if it needs more than a text's tokens
        raise ArtifactError(f"{a_model(model)} does not answer to a text alone: {first_line(error)}") from error
    return reading


def try_gradient(model: Any, inputs: dict[str, Tensor], rows: Sequence[EncodedRow], reading: Reading) -> None:
    """Raises ArtifactError where the model's answer has no gradient in evaluation mode (Reformer's)."""
    try:
        with probing(model, inputs, rows, reading, with_gradient=True) as probe:
            probe.gradient_at_input()
    except torch.OutOfMemoryError:
        raise
    except (RuntimeError, AssertionError) as error:
        raise ArtifactError(
            f"{a_model(model)} cannot be explained by gradients: it gives none in evaluation mode ({first_line(error)})"
        ) from error


def find_block(
    model: Any, inputs: dict[str, Tensor], rows: Sequence[EncodedRow], reading: Reading, others: tuple[int, int] | None
) -> nn.Module:
    """The first module that embeds the ids as the methods need it: by name, then any that is called with the ids.

    others: two ids of words, to be read instead of the text's; None where there are no two. Raises ArtifactError with
    the first candidate's reason where there is none.
    """
    reason = None
    for block in called_with_ids(model, inputs):
        try:
            with probing(model, inputs, rows, dataclasses.replace(reading, block=block), with_gradient=False) as probe:
                if others is None:
                    return block
                fault = find_fault(probe, others)
        except ArtifactError as error:
            fault = str(error)
        if fault is None:
            return block
        reason = reason or fault
    reason = reason or "no module of it embeds the ids of a text, one vector for each token"
    raise ArtifactError(f"{a_model(model)} cannot be explained: {reason}")


def find_fault(probe: Probe, others: tuple[int, int]) -> str | None:
    """What is wrong with the probe's block, or None. It asks the model once or twice."""
    ids_BT, content_BT = probe.inputs["input_ids"], probe.content_BT
    changed_BT = torch.where(content_BT, torch.where(ids_BT == others[0], others[1], others[0]), ids_BT)
    rows_B, name = torch.arange(len(ids_BT), device=ids_BT.device), type(probe.block).__name__
    if not custom_embeddings(probe.model) and not _is_local(probe, changed_BT):
        return f"a token's vector from {name} holds its neighbours, too"
    given, probe.inputs = probe.inputs, {**probe.inputs, "input_ids": changed_BT}
    try:
        if _same(probe, rows_B):
            return None
    finally:
        probe.inputs = given
    if _same(probe, rows_B):
        return f"the ids of a text reach its answer past {name}, too, as where a decoder reads them a second time"
    return "its answer to the same text differs from one time to the next"


def _same(probe: Probe, rows_B: Tensor) -> bool:
    """Whether the model answers as at the start, given the embeddings of the start."""
    with torch.no_grad():
        logits_BC = probe.logits(probe.embedded_BTH, rows_B)
    return torch.allclose(logits_BC, probe.logits_BC.detach(), **CLOSE, equal_nan=True)


def _is_local(probe: Probe, changed_BT: Tensor) -> bool:
    """Whether another id at one place of a row changes nothing at the other places of its embedding."""
    place_B = probe.content_BT.int().argmax(dim=1, keepdim=True)
    one_BT = torch.zeros_like(probe.content_BT).scatter(1, place_B, True)
    embedded_BTH = probe.embedded_with(torch.where(one_BT, changed_BT, probe.inputs["input_ids"]))
    elsewhere_BT1 = ~one_BT.unsqueeze(-1)
    return torch.allclose(embedded_BTH * elsewhere_BT1, probe.embedded_BTH * elsewhere_BT1, **CLOSE, equal_nan=True)


def called_with_ids(model: Any, inputs: dict[str, Tensor]) -> list[nn.Module]:
    """The modules that are called with the ids and give one vector a token: the block and the word table of that name
    first, then the others."""
    found: dict[nn.Module, None] = {}

    def note(module: nn.Module, arguments: tuple, keywords: dict, output: Any) -> None:
        if call := ids_call(arguments, keywords, inputs["input_ids"]):
            try:
                call.embedded(output)
            except ArtifactError:
                return
            found[module] = None

    handles = [module.register_forward_hook(note, with_kwargs=True) for module in model.modules()]
    try:
        with evaluation_mode(model), torch.no_grad():
            Probe.ask(model, inputs)
    finally:
        for handle in handles:
            handle.remove()
    base = encoder_below_head(model)
    named = [block for block in (getattr(base, "embeddings", None), word_table(base)) if block in found]
    return list(dict.fromkeys([*named, *found]))


def other_ids(model: Any, tokenizer: PreTrainedTokenizerBase) -> tuple[int, int] | None:
    """Two ids of words, none of them special to the tokenizer or to the model."""
    facts = vars(model.config)
    special = set(tokenizer.all_special_ids)
    for name in facts:
        if name.endswith("_token_id"):
            special.update(facts[name] if isinstance(facts[name], list) else [facts[name]])
    words = [number for number in range(min(len(tokenizer), 1000)) if number not in special]
    return (words[-2], words[-1]) if len(words) > 1 else None
