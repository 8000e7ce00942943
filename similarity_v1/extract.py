"""Attribution of pairs for a submission: one score per given word and the raw rationales out.

Rows are batched by length under a token budget and come back in their own order; the batch they were in does not change
their scores.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from pathlib import Path

from final_project.data.pairs import Rationale, SegmentedPair
from final_project.errors import ArtifactError, DataError
from final_project.model.finite import NotFinite
from final_project.settings import SimilarityV1
from similarity_v1.attribution import explainer_of
from similarity_v1.explainer import RowError
from similarity_v1.selection import Selection
from similarity_v1.target import SCORE
from similarity_v1.word_scores import WordScores

log = logging.getLogger(__name__)

CUT = (
    "%d of %d pairs are longer than the model's %d positions and were cut, the longer sentence first; words cut off "
    "are not read and never chosen (first id: %d)"
)


class Explainer:
    """A pair classifier's folder, ready to explain pairs by given words. Raises ArtifactError where it is none."""

    def __init__(self, folder: str | Path, settings: SimilarityV1):
        self.settings = settings
        self.any_row = explainer_of(folder, settings)
        if self.any_row.n_classes != 2:
            raise ArtifactError(f"{folder}: a pair classifier has 2 labels, this model has {self.any_row.n_classes}")
        if self.any_row.reading.kind == SCORE:
            raise ArtifactError(
                f"{folder}: a pair classifier has 2 labels, this model gives 2 scores (problem_type regression)"
            )

    def explain(self, pairs: Sequence[SegmentedPair]) -> list[WordScores]:
        """Score the words of every pair. Pairs beyond the model's positions lose the end of their longer sentence;
        how many is logged, and the words cut off score 0 and are `unread`."""
        explained, cut_ids = self.explain_quietly(pairs)
        if cut_ids:
            log.warning(CUT, len(cut_ids), len(pairs), self.longest_input, cut_ids[0])
        return explained

    def explain_quietly(self, pairs: Sequence[SegmentedPair]) -> tuple[list[WordScores], list[int]]:
        """The words' scores, and the ids of pairs that were cut. Raises DataError with the id of a pair that fails."""
        rows = [(pair.query, pair.title) for pair in pairs]
        try:
            found = self.any_row.explain(rows, [(pair.words_q, pair.words_t) for pair in pairs])
        except NotFinite as error:
            raise ArtifactError(f"id {pairs[error.row].id}: {error.said}") from error
        except RowError as error:
            raise DataError(f"id {pairs[error.row].id}", error.what) from error
        explained = [
            WordScores(pair.id, row.label, row.probabilities[1], *row.scores, *row.unread)
            for pair, row in zip(pairs, found, strict=True)
        ]
        return explained, [pair.id for pair, row in zip(pairs, found, strict=True) if row.truncated]

    @property
    def longest_input(self) -> int:
        return self.any_row.limit


def select_rationales(explained: Iterable[WordScores], how: Selection | float) -> list[Rationale]:
    return [row.chosen(how) for row in explained]
