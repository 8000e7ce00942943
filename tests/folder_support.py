"""Tiny model folders for tests, whole or damaged in one way each."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from safetensors.torch import load_file, save_file
from tiny_models import tiny_sequence_classifier, tiny_tokenizer
from torch import Tensor
from transformers import (
    AutoConfig,
    AutoModelForMaskedLM,
    GPT2Config,
    GPT2ForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

Weights = dict[str, Tensor]
WORDPIECE = "wordpiece_lower"


def write_folder(folder: Path, model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase | None = None) -> Path:
    model.save_pretrained(folder)
    (tiny_tokenizer(WORDPIECE) if tokenizer is None else tokenizer).save_pretrained(folder)
    return folder


def tiny_folder(folder: Path, architecture: str = "bert", **changes) -> Path:
    """A sequence classifier's folder; changes: of its config."""
    tokenizer = tiny_tokenizer(WORDPIECE)
    return write_folder(folder, tiny_sequence_classifier(architecture, tokenizer, **changes), tokenizer)


def tiny_masked_lm_folder(folder: Path, architecture: str = "bert", **changes) -> Path:
    tokenizer = tiny_tokenizer(WORDPIECE)
    classifier = tiny_sequence_classifier(architecture, tokenizer, **changes)
    config = AutoConfig.for_model(**classifier.config.to_dict())
    return write_folder(folder, AutoModelForMaskedLM.from_config(config), tokenizer)


def tiny_gpt2_folder(folder: Path, **changes) -> Path:
    tokenizer = tiny_tokenizer(WORDPIECE)
    sizes = {"vocab_size": len(tokenizer), "n_embd": 16, "n_layer": 2, "n_head": 2, "n_positions": 64}
    config = GPT2Config(**{**sizes, "pad_token_id": tokenizer.pad_token_id, **changes})
    return write_folder(folder, GPT2ForSequenceClassification(config), tokenizer)


def change_weights(folder: Path, change: Callable[[Weights], Weights | None]) -> Path:
    """change: takes the folder's weights by name and returns them as they shall be, or changes them in place."""
    path = folder / "model.safetensors"
    weights = load_file(path)
    changed = change(weights) or weights
    save_file({name: value.contiguous() for name, value in changed.items()}, path, metadata={"format": "pt"})
    return folder


def change_config(folder: Path, **changes) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return folder


def renamed(change: Callable[[str], str]) -> Callable[[Weights], Weights]:
    return lambda weights: {change(name): value for name, value in weights.items()}


def spoil(name_end: str, value: float = float("nan")) -> Callable[[Weights], None]:
    """Put one number that is not finite into the weight whose name ends so."""

    def change(weights: Weights) -> None:
        (name,) = [name for name in weights if name.endswith(name_end)]
        weights[name].view(-1)[0] = value

    return change
