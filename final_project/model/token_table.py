"""Tokenised rows in one memory-mapped Arrow file: written once by rank 0, opened by all in no time.

Columns: input_ids, token_type_ids (lists of T), length (T), label (0, 1, or -1 where unknown).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import datasets
import numpy as np
import torch
from datasets.arrow_writer import ArrowWriter
from transformers import PreTrainedTokenizerBase

from final_project.errors import ArtifactError

ROWS_AT_A_TIME = 1000
FEATURES = datasets.Features(
    {
        "input_ids": datasets.Sequence(datasets.Value("int32")),
        "token_type_ids": datasets.Sequence(datasets.Value("int8")),
        "length": datasets.Value("int32"),
        "label": datasets.Value("int8"),
    }
)
Row = tuple[str, str | None, int | None]


def write_token_table(rows: Iterable[Row], tokenizer: PreTrainedTokenizerBase, max_length: int, path: Path) -> int:
    """Tokenise (text, second text or None, label or None) rows into an Arrow file; returns how many were truncated.

    Longer rows lose tokens from their longer side first.
    """
    partial = path.with_name(f".{path.name}.partial")
    n_truncated = 0
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with ArrowWriter(path=str(partial), features=FEATURES, writer_batch_size=ROWS_AT_A_TIME) as writer:
            for chunk in _chunks(rows):
                columns, truncated = _encode(chunk, tokenizer, max_length)
                writer.write_batch(columns)
                n_truncated += truncated
            writer.finalize()
        partial.replace(path)
    except OSError as error:
        raise ArtifactError(f"{path}: cannot write: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)
    return n_truncated


def open_token_table(path: Path) -> datasets.Dataset:
    return datasets.Dataset.from_file(str(path)).with_format("numpy")


def column(table: datasets.Dataset, name: str) -> np.ndarray:
    """One scalar column, whole."""
    return np.asarray(table.with_format("arrow")[:][name].to_numpy())


def pad_rows(rows: dict, pad_id: int, device: torch.device) -> dict[str, torch.Tensor]:
    """Columns of lists -> (B, T) tensors, T the longest row."""
    ids, types = rows["input_ids"], rows["token_type_ids"]
    longest = max(len(row) for row in ids)
    input_ids = np.full((len(ids), longest), pad_id, dtype=np.int64)
    token_type_ids = np.zeros((len(ids), longest), dtype=np.int64)
    attention_mask = np.zeros((len(ids), longest), dtype=np.int64)
    for at, (row, row_types) in enumerate(zip(ids, types, strict=True)):
        input_ids[at, : len(row)] = row
        token_type_ids[at, : len(row)] = row_types
        attention_mask[at, : len(row)] = 1
    arrays = {"input_ids": input_ids, "token_type_ids": token_type_ids, "attention_mask": attention_mask}
    return {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}


def _chunks(rows: Iterable[Row]) -> Iterator[list[Row]]:
    iterator = iter(rows)
    while chunk := list(islice(iterator, ROWS_AT_A_TIME)):
        yield chunk


def _encode(chunk: list[Row], tokenizer: PreTrainedTokenizerBase, max_length: int) -> tuple[dict, int]:
    """Columns of one chunk, and how many rows were cut."""
    firsts, seconds, labels = zip(*chunk, strict=True)
    second_texts = None if seconds[0] is None else list(seconds)
    options = {"add_special_tokens": True, "return_attention_mask": False, "return_token_type_ids": True}
    cut = tokenizer(list(firsts), second_texts, truncation="longest_first", max_length=max_length, **options)
    n_full = sum(len(ids) == max_length for ids in cut["input_ids"])
    n_truncated = 0
    if n_full:
        whole = tokenizer(list(firsts), second_texts, verbose=False, **options)
        n_truncated = sum(len(ids) > max_length for ids in whole["input_ids"])
    return {
        "input_ids": cut["input_ids"],
        "token_type_ids": cut["token_type_ids"],
        "length": [len(ids) for ids in cut["input_ids"]],
        "label": [-1 if label is None else label for label in labels],
    }, n_truncated
