"""Explain shards in one process: load the model once, explain one shard after another.

Rows are batched by length under a token budget and come back in their own order; the batch they were in does not change
their scores.
"""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path

from final_project.data.records import SegmentedPair
from final_project.errors import ArtifactError, DataError
from final_project.model.finite import NotFinite
from final_project.parallel.threads import cpu_threads
from final_project.run.progress import progress
from final_project.settings import SimilarityV1
from similarity_v1.explain.explainer import RowError
from similarity_v1.explain.explanation import Explanation
from similarity_v1.explain.from_settings import build_explainer
from similarity_v1.explain.target import SCORE
from similarity_v1.extract.explained_rows import parquet_bytes, to_table
from similarity_v1.extract.shards import PairShards, ShardFolder
from similarity_v1.rationales.selection import selection_from_settings
from similarity_v1.rationales.word_scores import WordScores

log = logging.getLogger(__name__)


class Worker:
    """A pair classifier's folder, ready to explain shards. Raises ArtifactError if it is not one."""

    def __init__(self, model: Path, settings: SimilarityV1):
        self.settings = settings
        self.explainer = build_explainer(model, settings)
        if self.explainer.n_classes != 2:
            raise ArtifactError(f"{model}: a pair classifier has 2 labels, this model has {self.explainer.n_classes}")
        if self.explainer.reading.kind == SCORE:
            raise ArtifactError(
                f"{model}: a pair classifier has 2 labels, this model gives 2 scores (problem_type regression)"
            )

    def score(self, pairs: Sequence[SegmentedPair]) -> tuple[list[WordScores], list[int]]:
        """The scores of every pair's given words, and the ids of pairs that were cut to the model's positions: they
        lose the end of their longer sentence, whose words score 0 and are `unread`.

        Raises DataError with the id of a pair that fails, ArtifactError with that of one whose answer is not finite.
        """
        rows = [(pair.query, pair.title) for pair in pairs]
        try:
            found = self.explainer.explain(rows, [(pair.words_q, pair.words_t) for pair in pairs])
        except NotFinite as error:
            raise ArtifactError(f"id {pairs[error.row].id}: {error.fault}") from error
        except RowError as error:
            raise DataError(f"id {pairs[error.row].id}", error.what) from error
        explained = [_word_scores(pair.id, row) for pair, row in zip(pairs, found, strict=True)]
        return explained, [pair.id for pair, row in zip(pairs, found, strict=True) if row.truncated]

    def explain(self, pairs: Sequence[SegmentedPair]) -> tuple[bytes, list[int]]:
        """One shard's rows -> its Parquet file, and the ids of pairs that were cut to the model's positions."""
        with cpu_threads(self.settings.threads):
            explained, cut_ids = self.score(pairs)
        return parquet_bytes(to_table(pairs, explained, selection_from_settings(self.settings))), cut_ids

    def explain_shards(self, shards: PairShards, numbers: Sequence[int], folder: ShardFolder) -> None:
        """Put the shards of these numbers into the folder."""
        n_rows = sum(map(shards.rows_in, numbers))
        cut_ids: list[int] = []

        def written_rows() -> Iterator[None]:
            for number in numbers:
                parquet, cut = self.explain(shards.read(number))
                folder.add(number, parquet)
                cut_ids.extend(cut)
                yield from itertools.repeat(None, shards.rows_in(number))

        for _ in progress(written_rows(), n_rows, "similarity_v1: attribution", "pairs"):
            pass
        warn_truncated(cut_ids, n_rows)


def _word_scores(id_: int, row: Explanation) -> WordScores:
    assert row.label is not None, "a classifier of two labels decides"
    (scores_q, scores_t), (unread_q, unread_t) = row.scores, row.unread
    return WordScores(id_, row.label, row.probabilities[1], scores_q, scores_t, unread_q, unread_t)


def warn_truncated(cut_ids: Sequence[int], n_rows: int) -> None:
    """Log how many of so many pairs were cut to what the model can read."""
    if cut_ids:
        log.warning(
            "%d of %d pairs are longer than the model's positions and were cut, the longer sentence first; "
            "words cut off are not read and never chosen (first id: %d)",
            len(cut_ids), n_rows, min(cut_ids),
        )  # fmt: skip
