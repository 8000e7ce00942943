"""The rows of text that are trained on, and those held out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from final_project.data.files.lines import read_lines
from final_project.errors import DataError


def read_texts(path: Path, text_form: str) -> Iterator[tuple[str, str | None, None]]:
    """Rows of text.tsv: one sentence, or two of a pair. text_form "sentence" splits pairs into single sentences."""
    for number, line in read_lines(path):
        texts = line.split("\t")
        if len(texts) > 2:
            raise DataError(path, f"expected 1 or 2 tab-separated sentences, found {len(texts)}", number)
        if text_form == "sentence":
            yield from ((text, None, None) for text in texts)
        else:
            # a single sentence gets an empty second text, so that all rows of a table have the same form
            yield texts[0], texts[1] if len(texts) == 2 else "", None


def plain_texts(path: Path) -> Iterator[str]:
    for _, line in read_lines(path):
        yield from line.split("\t")


def split_held_out(n_rows: int, held_out: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Row numbers to train on and to measure on; a short text keeps at least half for training."""
    order = np.arange(n_rows, dtype=np.int32 if n_rows < 2**31 else np.int64)
    np.random.default_rng([seed, n_rows]).shuffle(order)
    held_out = min(held_out, n_rows // 2)
    return np.sort(order[held_out:]), np.sort(order[:held_out])
