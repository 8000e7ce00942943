"""Pairs made for benchmarks: no sense, but the lengths, repeats, contradictions and leaks of real collections.

python bench/made/made_pairs.py FOLDER ROWS    writes train.tsv of that many rows, dev.tsv and test.tsv
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np

CHARACTERS = np.array([chr(0x4E00 + 7 * k) for k in range(2800)])
MEDIAN_CHARS, SPREAD = 16, 0.55  # log-normal; between LCQMC's questions and translated literature
SHARE_REPEATED, SHARE_TURNED, SHARE_CONTRADICTING, SHARE_LEAKING = 0.03, 0.01, 0.005, 0.01
SHARE_OF_OLD_SENTENCES = 0.4  # first sentences come back, as premises and questions do


def make_sentences(count: int, rng: np.random.Generator) -> list[str]:
    lengths = np.clip(np.exp(rng.normal(np.log(MEDIAN_CHARS), SPREAD, count)), 2, 128).astype(int)
    ranks = np.minimum(rng.zipf(1.25, int(lengths.sum())), len(CHARACTERS)) - 1
    text = "".join(CHARACTERS[ranks])
    ends = np.cumsum(lengths)
    return [text[end - length : end] for end, length in zip(ends.tolist(), lengths.tolist(), strict=True)]


def write_made_pairs(path: Path, count: int, seed: int, scored: list[str]) -> None:
    """`sentence1<TAB>sentence2<TAB>label` rows; some leak sentences of `scored`."""
    rng = np.random.default_rng(seed)
    first, second = make_sentences(count, rng), make_sentences(count, rng)
    labels = rng.integers(0, 2, count).tolist()
    fate, earlier = rng.random(count).tolist(), (rng.random(count) * np.arange(count)).astype(int).tolist()
    with path.open("w", encoding="utf-8", newline="\n") as file:
        for k in range(count):
            at, chance = earlier[k], fate[k]
            if chance < SHARE_REPEATED:
                first[k], second[k], labels[k] = first[at], second[at], labels[at]
            elif (chance := chance - SHARE_REPEATED) < SHARE_TURNED:
                first[k], second[k], labels[k] = second[at], first[at], labels[at]
            elif (chance := chance - SHARE_TURNED) < SHARE_CONTRADICTING:
                first[k], second[k], labels[k] = first[at], second[at], 1 - labels[at]
            elif (chance := chance - SHARE_CONTRADICTING) < SHARE_LEAKING:
                second[k] = scored[at % len(scored)]
            elif chance - SHARE_LEAKING < SHARE_OF_OLD_SENTENCES:
                first[k] = first[at]
            file.write(f"{first[k]}\t{second[k]}\t{labels[k]}\n")


def write_scored_pairs(path: Path, count: int, seed: int) -> list[str]:
    """Labelled pairs to be scored; returns their sentences."""
    rng = np.random.default_rng(seed)
    first, second = make_sentences(count, rng), make_sentences(count, rng)
    labels = rng.integers(0, 2, count)
    rows = "".join(f"{a}\t{b}\t{label}\n" for a, b, label in zip(first, second, labels, strict=True))
    path.write_text(rows, encoding="utf-8")
    return first + second


if __name__ == "__main__":
    folder, rows = Path(sys.argv[1]), int(sys.argv[2])
    sentences = write_scored_pairs(folder / "dev.tsv", 8_800, seed=1)
    sentences += write_scored_pairs(folder / "test.tsv", 12_500, seed=2)
    write_made_pairs(folder / "train.tsv", rows, seed=rows, scored=sentences)
