"""The check of a model and its tokenizer that every stage, export and command makes first."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from final_project.errors import ArtifactError


def require_fit(
    place: str | Path,
    model: Any,
    tokenizer: PreTrainedTokenizerBase,
    *,
    masks: bool = False,
    pairs: bool = False,
    setting: str = "max_length",
    max_length: int = 0,
    longest: int = 0,
) -> None:
    """Raises ArtifactError naming every fault of the model and tokenizer at `place`.

    masks: a mask token is required. pairs: a pair classifier is required. max_length: tokens per row that `setting`
    asks for. longest: tokens per row that are possible (folder.longest_input).
    """
    faults = [*_faults(model, tokenizer, masks, pairs)]
    if max_length > longest:
        faults.append(
            f"{setting} {max_length} exceeds {longest}, the tokens that the model's positions and its tokenizer allow"
        )
    if faults:
        raise ArtifactError(f"{place}: {'; '.join(faults)}")


def _faults(model: Any, tokenizer: PreTrainedTokenizerBase, masks: bool, pairs: bool) -> Iterator[str]:
    n_tokens = 1 + max([len(tokenizer) - 1, *tokenizer.get_vocab().values()])
    n_vectors = model.get_input_embeddings().weight.shape[0]
    if n_tokens > n_vectors:
        yield f"the tokenizer has {n_tokens} tokens, the weights {n_vectors}: they do not belong together"
    if tokenizer.pad_token_id is None:
        yield "the tokenizer has no padding token, so texts of different length cannot share a batch: set its pad_token"
    if masks and tokenizer.mask_token_id is None:
        yield "the tokenizer has no mask token, so it cannot serve masked-LM training"
    if not pairs:
        return
    n_labels, kind = model.config.num_labels, getattr(model.config, "problem_type", None)
    if n_labels not in (1, 2):
        yield f"a pair classifier answers with 1 or 2 outputs, this model with {n_labels}"
    elif n_labels == 2 and kind not in (None, "single_label_classification"):
        yield f"a pair classifier chooses one of two labels, this model is one of {kind} (problem_type in config.json)"
