"""Pairs in one Arrow file, with their fingerprints in memory: written as a stream, read by memory map, however large.

Columns of the file: sentence1, sentence2 (text), label (0, 1, or -1 where unknown), corpus (its name).
`datasets.Dataset.from_file(path)` opens the same file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from final_project.artifacts import write_atomic
from final_project.chunks import in_chunks
from final_project.data.quality.fingerprints import CHUNK, UNKNOWN, Fingerprints, fingerprints_of_chunk, joined
from final_project.data.records import Pair

COLUMNS = ("sentence1", "sentence2", "label", "corpus")


@dataclass(frozen=True)
class PairTable:
    """Some N rows of an Arrow file, in its order.

    prints: their fingerprints. row_N: their numbers in the file. corpus_N: the number of each row's corpus in
    `corpora`, which is in order of first appearance.
    """

    path: Path
    prints: Fingerprints
    row_N: np.ndarray
    corpus_N: np.ndarray
    corpora: tuple[str, ...]

    def __len__(self) -> int:
        return len(self.row_N)

    def __getitem__(self, rows: np.ndarray | slice) -> PairTable:
        """Some of the rows, by a mask or a slice."""
        return PairTable(self.path, self.prints[rows], self.row_N[rows], self.corpus_N[rows], self.corpora)

    def of_corpus(self, name: str) -> np.ndarray:
        """Mask (N,) of the rows of one corpus."""
        return self.corpus_N == self.corpora.index(name)

    def pairs(self) -> Iterator[Pair]:
        for batch in self._batches():
            labels = (None if label == UNKNOWN else label for label in batch["label"].to_pylist())
            yield from map(Pair, batch["sentence1"].to_pylist(), batch["sentence2"].to_pylist(), labels)

    def copy_to(self, path: Path) -> int:
        """Write the rows as an Arrow file of their own; returns their number."""
        import pyarrow as pa

        with write_atomic(path, "wb") as file, pa.ipc.new_stream(file, _schema()) as writer:
            for batch in self._batches():
                writer.write_batch(batch)
        return len(self)

    def _batches(self) -> Iterator[Any]:
        import pyarrow as pa

        begin = 0
        with pa.memory_map(str(self.path)) as file, pa.ipc.open_stream(file) as reader:
            for batch in reader:
                first, last = np.searchsorted(self.row_N, (begin, begin + batch.num_rows))
                wanted = np.zeros(batch.num_rows, dtype=bool)
                wanted[self.row_N[first:last] - begin] = True
                begin += batch.num_rows
                if last > first:
                    yield batch if wanted.all() else batch.filter(pa.array(wanted))


def write_pair_table(path: Path, rows: Iterable[tuple[str, Pair]]) -> PairTable:
    """Write (corpus, pair) rows in one pass, with one chunk of them in memory."""
    import pyarrow as pa

    numbers: dict[str, int] = {}
    prints, corpora = [], []
    with write_atomic(path, "wb") as file, pa.ipc.new_stream(file, _schema()) as writer:
        for chunk in in_chunks(rows, CHUNK):
            names, pairs = zip(*chunk, strict=True)
            prints.append(fingerprints_of_chunk(pairs))
            corpora.append(np.array([numbers.setdefault(name, len(numbers)) for name in names], dtype=np.int16))
            writer.write_batch(_batch(names, pairs, prints[-1].label_N))
    corpus_N = np.concatenate([np.zeros(0, dtype=np.int16), *corpora])
    return PairTable(path, joined(prints), np.arange(len(corpus_N)), corpus_N, tuple(numbers))


def _batch(names: Sequence[str], pairs: Sequence[Pair], label_N: np.ndarray) -> Any:
    import pyarrow as pa

    sides = ([pair.sentence1 for pair in pairs], [pair.sentence2 for pair in pairs])
    columns = [*(pa.array(side, pa.string()) for side in sides), pa.array(label_N), pa.array(names)]
    return pa.record_batch(columns, schema=_schema())


def _schema() -> Any:
    import pyarrow as pa

    return pa.schema(zip(COLUMNS, (pa.string(), pa.string(), pa.int8(), pa.string()), strict=True))
