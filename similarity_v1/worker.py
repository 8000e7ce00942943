"""What one process of many does with its shards, wherever it runs: load the model once, explain shard after shard."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from final_project.data.pairs import SegmentedPair
from final_project.progress import progress
from final_project.settings import SimilarityV1
from similarity_v1.extract import Explainer
from similarity_v1.ranks import cpu_threads
from similarity_v1.rationale_table import parquet_bytes, to_table
from similarity_v1.selection import selection_of
from similarity_v1.shards import PairShards, ShardFolder

log = logging.getLogger(__name__)


class Worker:
    """A model folder, ready to explain shards. Raises ArtifactError where it cannot be explained."""

    def __init__(self, model: Path, settings: SimilarityV1):
        self.settings = settings
        self.explainer = Explainer(model, settings)

    def explain(self, pairs: Sequence[SegmentedPair]) -> tuple[bytes, list[int]]:
        """One shard's rows -> its Parquet file, and the ids of pairs that were cut to the model's positions."""
        with cpu_threads(self.settings.threads):
            explained, cut_ids = self.explainer.explain_quietly(pairs)
        return parquet_bytes(to_table(pairs, explained, selection_of(self.settings))), cut_ids

    def explain_shards(self, shards: PairShards, numbers: Sequence[int], folder: ShardFolder) -> None:
        """Put the shards of these numbers into the folder."""
        n_rows, cut_ids = sum(map(shards.rows_in, numbers)), []
        for _ in progress(self._rows(shards, numbers, folder, cut_ids), n_rows, "similarity_v1: attribution", "pairs"):
            pass
        tell_of_cuts(cut_ids, n_rows)

    def _rows(
        self, shards: PairShards, numbers: Sequence[int], folder: ShardFolder, cut_ids: list[int]
    ) -> Iterator[None]:
        """One item a row, when it is written; cut_ids is added to."""
        for number in numbers:
            parquet, cut = self.explain(shards.read(number))
            folder.add(number, parquet)
            cut_ids += cut
            yield from itertools.repeat(None, shards.rows_in(number))


def tell_of_cuts(cut_ids: Sequence[int], n_rows: int) -> None:
    """Log how many of so many pairs were cut to what the model can read."""
    if cut_ids:
        log.warning(
            "%d of %d pairs are longer than the model's positions and were cut, the longer sentence first; "
            "words cut off are not read and never chosen (first id: %d)",
            len(cut_ids), n_rows, min(cut_ids),
        )  # fmt: skip
