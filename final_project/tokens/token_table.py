"""Tokenised rows as flat files: written once by rank 0, memory-mapped by all, in no time and only once in memory.

    NAME/                 one folder a table
      ids.bin             the tokens of all rows, end to end: uint16, or uint32 for a large vocabulary
      types.bin           token types, uint8
      word_starts.bin     1 where a word begins, uint8; only where words were asked for
      offsets.bin         where each row begins, and the end of the last: int64
      labels.bin          one whole number a row, -1 where unknown; or several float32 a row, NaN where unknown
      table.json          number of rows and the type of ids
      contents.json       sizes and digests of the others

Shapes: B rows, N tokens of all of them together, T tokens of the longest.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cached_property
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from final_project.artifacts import damage_of, folder_atomic, seal, write_json
from final_project.chunks import in_chunks
from final_project.errors import ArtifactError
from final_project.tokens.encode import EncodedTexts, encode_rows
from final_project.tokens.tokenizer import with_special_tokens_as_text
from final_project.tokens.words import word_starts

log = logging.getLogger(__name__)

ROWS_AT_A_TIME = 1000
COLUMNS = {"types": "uint8", "word_starts": "uint8", "offsets": "int64"}
Label = int | Sequence[float | None] | None
Row = tuple[str, str | None, Label]


@dataclass(frozen=True)
class LabelColumn:
    """What a row's label is. width: None = one whole number, -1 where unknown; else that many numbers, each NaN where
    unknown."""

    dtype: str = "int8"
    width: int | None = None

    def flat(self, labels: Iterable[Label]) -> Iterator[float]:
        """The labels of some rows, end to end."""
        for label in labels:
            if isinstance(label, Sequence):
                yield from (math.nan if number is None else number for number in label)
            elif self.width is None:
                yield -1 if label is None else label
            else:
                yield from [math.nan] * self.width

    def shaped(self, values: np.ndarray) -> np.ndarray:
        """(N,) or (N, width)."""
        return values if self.width is None else values.reshape(-1, self.width)


WHOLE_NUMBERS = LabelColumn()


@dataclass(frozen=True)
class TokenRows:
    """Some rows of a table, end to end. word_starts_N: None where the table has no words."""

    numbers_B: np.ndarray
    lengths_B: np.ndarray
    labels_B: np.ndarray
    ids_N: np.ndarray
    types_N: np.ndarray
    word_starts_N: np.ndarray | None

    @cached_property
    def starts_B(self) -> np.ndarray:
        """Where each row begins among the N tokens."""
        return np.cumsum(self.lengths_B) - self.lengths_B

    @cached_property
    def row_N(self) -> np.ndarray:
        """The row of each token, from 0 to B - 1."""
        return np.repeat(np.arange(len(self.lengths_B)), self.lengths_B)

    @cached_property
    def place_N(self) -> np.ndarray:
        """The place of each token in its row, from 0."""
        return np.arange(len(self.ids_N)) - self.starts_B[self.row_N]

    def ids_of_each(self) -> list[np.ndarray]:
        return np.split(self.ids_N, self.starts_B[1:])


@dataclass(frozen=True)
class TokenTable:
    """Memory-mapped columns. `table[rows]` fetches rows by number, in that order. labels: shaped by LabelColumn."""

    ids: np.ndarray
    types: np.ndarray
    offsets: np.ndarray
    labels: np.ndarray
    word_starts: np.ndarray | None = None

    def __len__(self) -> int:
        return len(self.labels)

    @cached_property
    def lengths(self) -> np.ndarray:
        """Tokens of every row, special ones included: int32."""
        return np.diff(self.offsets).astype(np.int32)

    def __getitem__(self, numbers_B: np.ndarray) -> TokenRows:
        begins_B = np.asarray(self.offsets[numbers_B])
        lengths_B = np.asarray(self.offsets[numbers_B + 1]) - begins_B
        ends_B = np.cumsum(lengths_B)
        wanted_N = np.repeat(begins_B - ends_B + lengths_B, lengths_B) + np.arange(lengths_B.sum())
        return TokenRows(
            numbers_B=numbers_B,
            lengths_B=lengths_B,
            labels_B=np.asarray(self.labels[numbers_B]),
            ids_N=self.ids[wanted_N].astype(np.int64),
            types_N=self.types[wanted_N].astype(np.int64),
            word_starts_N=None if self.word_starts is None else self.word_starts[wanted_N].astype(bool),
        )


def write_token_table(
    rows: Iterable[Row],
    tokenizer: PreTrainedTokenizerBase,
    max_length: int,
    folder: Path,
    with_words: bool = False,
    labels: LabelColumn = WHOLE_NUMBERS,
) -> int:
    """Tokenise (text, second text or None, label or None) rows; returns how many were truncated.

    Longer rows lose tokens from their longer side first. Rows stream through: memory holds ROWS_AT_A_TIME of them.
    """
    id_type = "uint16" if len(tokenizer) <= 1 << 16 else "uint32"
    types = {**COLUMNS, "labels": labels.dtype}
    names = ("ids", "types", "offsets", "labels", *(["word_starts"] if with_words else []))
    n_rows = n_tokens = n_truncated = 0
    with folder_atomic(folder) as partial:
        with ExitStack() as stack:
            files = {name: stack.enter_context((partial / f"{name}.bin").open("wb")) for name in names}
            np.zeros(1, np.int64).tofile(files["offsets"])
            for chunk in in_chunks(rows, ROWS_AT_A_TIME):
                columns, lengths, truncated = _encode(chunk, tokenizer, max_length, with_words, labels)
                for name, values in columns.items():
                    np.fromiter(values, types.get(name, id_type)).tofile(files[name])
                (n_tokens + np.cumsum(lengths, dtype=np.int64)).tofile(files["offsets"])
                n_rows, n_tokens, n_truncated = n_rows + len(chunk), n_tokens + sum(lengths), n_truncated + truncated
        facts = {"rows": n_rows, "ids": id_type, "has_words": with_words}
        write_json(partial / "table.json", facts | ({} if labels == WHOLE_NUMBERS else {"labels": asdict(labels)}))
        seal(partial)
    return n_truncated


def tokenised(rows: list[Row], tokenizer: PreTrainedTokenizerBase, max_length: int) -> tuple[TokenTable, int]:
    """The same table of a few rows in memory, and how many of them were truncated."""
    columns, lengths, n_truncated = _encode(rows, tokenizer, max_length, False, WHOLE_NUMBERS)
    types = {**COLUMNS, "labels": WHOLE_NUMBERS.dtype}
    arrays = {name: np.fromiter(values, types.get(name, "int64")) for name, values in columns.items()}
    return TokenTable(offsets=np.concatenate([[0], np.cumsum(lengths)]), **arrays), n_truncated


def is_token_table_whole(folder: Path) -> bool:
    """Whether an earlier run has left this table, as it wrote it; a damaged one is named."""
    if not folder.exists():
        return False
    if problem := damage_of(folder):
        log.warning("%s cannot be used (%s); the texts are tokenised again", folder, problem)
    return not problem


def open_token_table(folder: Path) -> TokenTable:
    """Map a table that write_token_table has written; raises ArtifactError where it is damaged."""
    try:
        facts = json.loads((folder / "table.json").read_text(encoding="utf-8"))
        names = ("types", "offsets", *(["word_starts"] if facts["has_words"] else []))
        columns = {name: _mapped(folder / f"{name}.bin", COLUMNS[name]) for name in names}
        column = LabelColumn(**facts.get("labels", {}))
        labels = column.shaped(_mapped(folder / "labels.bin", column.dtype))
        table = TokenTable(ids=_mapped(folder / "ids.bin", facts["ids"]), labels=labels, **columns)
        if len(table) != facts["rows"] or len(table.ids) != table.offsets[-1]:
            raise ValueError("cut short")
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        raise ArtifactError(f"{folder}: no usable token table ({error}): run the stage again with --force") from error
    return table


def pad_rows(rows: TokenRows, pad_id: int, device: torch.device) -> dict[str, torch.Tensor]:
    """A row a line -> (B, T) tensors, as a transformers tokenizer gives them."""
    longest = int(rows.lengths_B.max())
    is_token_BT = np.arange(longest) < rows.lengths_B[:, None]
    input_ids = np.full(is_token_BT.shape, pad_id, dtype=np.int64)
    token_type_ids = np.zeros(is_token_BT.shape, dtype=np.int64)
    input_ids[is_token_BT] = rows.ids_N
    token_type_ids[is_token_BT] = rows.types_N
    arrays = {"input_ids": input_ids, "token_type_ids": token_type_ids, "attention_mask": is_token_BT.astype(np.int64)}
    return {name: torch.from_numpy(array).to(device) for name, array in arrays.items()}


def _mapped(path: Path, dtype: str) -> np.ndarray:
    if path.stat().st_size == 0:  # nothing to map: an empty table
        return np.empty(0, dtype)
    return np.memmap(path, dtype, mode="r")


def _word_starts(row: EncodedTexts, texts: Sequence[str]) -> list[bool]:
    assert row.tokens is not None, "words need a tokenizer that knows the characters of its tokens"
    return word_starts(row.tokens, texts)


def _encode(
    chunk: list[Row], tokenizer: PreTrainedTokenizerBase, max_length: int, with_words: bool, labels: LabelColumn
) -> tuple[dict[str, Iterable[float]], list[int], int]:
    """Columns of one chunk, its rows' lengths, and how many rows were cut. Special tokens that a text spells are text,
    to the tokenizer from now on."""
    with_special_tokens_as_text(tokenizer)
    rows = [(first,) if second is None else (first, second) for first, second, _ in chunk]
    encoded = encode_rows(tokenizer, rows, max_length)
    columns: dict[str, Iterable[float]] = {
        "ids": chain.from_iterable(row.input_ids for row in encoded),
        "types": chain.from_iterable(row.token_type_ids for row in encoded),
        "labels": labels.flat(label for _, _, label in chunk),
    }
    if with_words:
        columns["word_starts"] = chain.from_iterable(
            _word_starts(row, texts) for row, texts in zip(encoded, rows, strict=True)
        )
    return columns, list(map(len, encoded)), sum(row.is_cut for row in encoded)
