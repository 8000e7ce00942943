"""A tiny `E5S1` file, written number by number, and what its blocks of four bits mean, in float64."""

from __future__ import annotations

import random
import struct
from pathlib import Path

HIDDEN, LAYERS, HEADS, INTERMEDIATE, POSITIONS, TYPES = 32, 2, 2, 64, 24, 2
PIECES = (
    "<s>",
    "<pad>",
    "</s>",
    "<unk>",
    "▁",
    "怎么",
    "怎",
    "么",
    "退",
    "货",
    "退货",
    "▁a",
    "b",
    "1",
    ".",
    "...",
    "<mask>",
)
SCORES = (0.0, 0.0, 0.0, 0.0, -2.0, -3.0, -5.0, -5.5, -4.0, -4.5, -3.5, -6.0, -6.5, -7.0, -5.0, -5.25, 0.0)
NORMALISED = {0x01: (), 0x0A: (0x20,), 0x2026: (0x2E, 0x2E, 0x2E), 0xFF11: (0x31,), 0xFF42: (0x62,)}
SPARE = 3  # rows of the embeddings beyond the pieces


def half(value: float) -> float:
    return struct.unpack("<e", struct.pack("<e", value))[0]


class TinyQ4:
    """data: the file's bytes. values: name -> what it holds, lists of float64 numbers; matrices row by row."""

    def __init__(self, seed: int = 0):
        self.random = random.Random(seed)
        self.values: dict[str, list[float]] = {}
        self.tensors: list[tuple[str, int, int, bytes]] = []
        for name, n_rows, n_columns in self._matrices():
            self._add_matrix(name, n_rows * n_columns)
        for name, n_numbers in self._vectors():
            self._add_vector(name, n_numbers)
        self.data = self._written()

    @staticmethod
    def _matrices():
        yield "emb.word", len(PIECES) + SPARE, HIDDEN
        for layer in range(LAYERS):
            for name in ("q", "k", "v", "ao"):
                yield f"l{layer}.{name}.w", HIDDEN, HIDDEN
            yield f"l{layer}.fi.w", INTERMEDIATE, HIDDEN
            yield f"l{layer}.fo.w", HIDDEN, INTERMEDIATE

    @staticmethod
    def _vectors():
        yield from (("emb.pos", POSITIONS * HIDDEN), ("emb.type", TYPES * HIDDEN))
        yield from (("emb.ln.w", HIDDEN), ("emb.ln.b", HIDDEN))
        for layer in range(LAYERS):
            yield from ((f"l{layer}.{name}.b", HIDDEN) for name in ("q", "k", "v", "ao", "fo"))
            yield f"l{layer}.fi.b", INTERMEDIATE
            yield from ((f"l{layer}.{name}.{part}", HIDDEN) for name in ("aln", "oln") for part in "wb")

    def _add_matrix(self, name: str, n_numbers: int) -> None:
        packed, values = b"", []
        for _ in range(n_numbers // 32):
            scale = half(self.random.uniform(-0.05, 0.05))
            nibbles = [self.random.randrange(16) for _ in range(32)]
            values += [(nibble - 8) * scale for nibble in nibbles]
            packed += struct.pack("<e", scale)
            packed += bytes(nibbles[j] + 16 * nibbles[j + 16] for j in range(16))
        self.values[name] = values
        self.tensors.append((name, 1, n_numbers, packed))

    def _add_vector(self, name: str, n_numbers: int) -> None:
        packed = b"".join(
            struct.pack("<f", self.random.gauss(1.0 if "ln.w" in name else 0.0, 0.2)) for _ in range(n_numbers)
        )
        self.values[name] = [value for (value,) in struct.iter_unpack("<f", packed)]
        self.tensors.append((name, 0, n_numbers, packed))

    def _written(self) -> bytes:
        sizes = (HIDDEN, LAYERS, HEADS, INTERMEDIATE, len(PIECES) + SPARE, POSITIONS, TYPES)
        head = b"E5S1" + struct.pack("<I", 1) + struct.pack("<7i", *sizes) + struct.pack("<fi", 1e-12, 32)
        spelled = [piece.encode() for piece in PIECES]
        head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, sum(map(len, spelled)))
        offset = 0
        for piece in (b"", *spelled):
            offset += len(piece)
            head += struct.pack("<I", offset)
        head += b"".join(struct.pack("<f", score) for score in SCORES) + b"".join(spelled)
        table = b"".join(
            struct.pack("<IB", point, len(to)) + b"".join(struct.pack("<I", part) for part in to)
            for point, to in NORMALISED.items()
        )
        head += struct.pack("<iI", len(NORMALISED), len(table)) + table + struct.pack("<i", len(self.tensors))
        start = len(head) + sum(2 + len(name) + 1 + 4 + 8 + 8 for name, *_ in self.tensors)
        body = b""
        for name, kind, n_numbers, packed in self.tensors:
            head += struct.pack("<H", len(name)) + name.encode() + struct.pack("<BI", kind, n_numbers)
            head += struct.pack("<QQ", start + len(body), len(packed))
            body += packed
        return head + body


def write_tiny_q4(path: Path, seed: int = 0) -> TinyQ4:
    tiny = TinyQ4(seed)
    path.write_bytes(tiny.data)
    return tiny
