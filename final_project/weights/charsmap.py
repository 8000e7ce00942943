"""A table of characters and their replacements as SentencePiece's precompiled map, which `tokenizers` normalises by.

The map is a u32 with the bytes of a trie, the trie, and the replacements, each ended by a NUL. The trie is a double
array (Aoe 1989, in the form of darts-clone): unit `at` of a node has the byte that leads to it, whether a key ends
there, and an offset; the child by byte c lies at (at XOR offset) XOR c, the value of a key at `at` XOR offset.
Here each inner node has 256 places of its own, and the values fill what they leave free.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping

HAS_VALUE = 1 << 8
IS_VALUE = 1 << 31
OFFSET_SHIFT, MOST_PLACES = 10, 1 << 21  # 21 bits for an offset
NODE_PLACES = 256


def precompiled_charsmap(table: Mapping[str, str]) -> bytes:
    """The map as `tokenizers.normalizers.Precompiled` takes it. table: character -> replacement, neither with a NUL.

    Example:
        >>> from tokenizers.normalizers import Precompiled
        >>> Precompiled(precompiled_charsmap({"Ａ": "A", "…": "..."})).normalize_str("Ａ…")
        'A...'
    """
    replacements = bytearray()
    values: dict[bytes, int] = {}
    for character, replacement in sorted(table.items()):
        assert character and "\0" not in character + replacement, "a NUL ends a replacement"
        values[character.encode()] = len(replacements)
        replacements += replacement.encode() + b"\0"
    trie = _trie(values)
    return struct.pack("<I", 4 * len(trie)) + struct.pack(f"<{len(trie)}I", *trie) + bytes(replacements)


def _trie(values: Mapping[bytes, int]) -> list[int]:
    """The units of the double array."""
    inner = sorted(
        {key[:length] for key in values for length in range(len(key))} | {b""}, key=lambda key: (len(key), key)
    )
    base = {prefix: NODE_PLACES * number for number, prefix in enumerate(inner, start=1)}
    units = [0] * (NODE_PLACES * (len(inner) + 1))
    assert len(units) + len(values) < MOST_PLACES, "a table of characters has fewer"
    where = {key: base[key[:-1]] ^ key[-1] for key in {*inner, *values} if key} | {b"": 0}
    taken = set(where.values()) | {base[prefix] for prefix in inner}  # a base itself is the place of a value
    free = iter(place for place in range(1, len(units) + len(values) + 1) if place not in taken)
    for key, at in where.items():
        place = base[key] if key in base else next(free)
        units += [0] * (place + 1 - len(units))
        units[at] = (place ^ at) << OFFSET_SHIFT | (key[-1] if key else 0)
        if key in values:
            units[at] |= HAS_VALUE
            units[place] = IS_VALUE | values[key]
    return units
