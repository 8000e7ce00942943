"""One table of figures for rationales: plausibility against gold, consistency under perturbation, labels, shares.

A figure whose reference is not there is left out rather than guessed.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from final_project.data.contest import read_segmented
from final_project.data.pairs import GoldRow, Rationale, SegmentedPair
from final_project.errors import DataError
from final_project.settings import SimilarityV1
from similarity_v1 import baselines, metrics
from similarity_v1.gold import read_gold, read_labels, read_pair_map, require_known_ids, require_same_words
from similarity_v1.submission import check_rows, read_submission

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class References:
    """What is known of the rows. gold, pair_map and labels are empty where nothing is known."""

    words: Mapping[int, tuple[Sequence[str], Sequence[str]]]
    gold: Sequence[GoldRow] = ()
    pair_map: Sequence[tuple[int, int]] = ()
    labels: Mapping[int, int] | None = None

    @classmethod
    def of(
        cls,
        pairs: Sequence[SegmentedPair],
        gold: Sequence[GoldRow] = (),
        pair_map: Sequence[tuple[int, int]] = (),
        labels: Mapping[int, int] | None = None,
    ) -> References:
        """Gold rows bring labels and a pairing of their own where none is given."""
        return cls(
            words={pair.id: (pair.words_q, pair.words_t) for pair in pairs},
            gold=gold,
            pair_map=pair_map or metrics.pair_map_of(gold),
            labels=labels or {row.id: row.label for row in gold},
        )


def score(
    rows: Sequence[Rationale], known: References, convention: metrics.Convention = "paddlenlp"
) -> dict[str, float]:
    """Every figure that the references allow, for one system."""
    predicted = {row.id: row for row in rows}
    figures: dict[str, float] = {}
    if known.labels:
        answered = {id_: row.label for id_, row in predicted.items()}
        figures |= metrics.label_scores(known.labels, answered, convention)
    if known.gold:
        figures |= metrics.plausibility(known.gold, predicted, convention)
    if known.pair_map:
        figures |= metrics.consistency(known.pair_map, predicted, known.words)
    figures |= metrics.shares(rows, known.words)
    if known.pair_map and figures["rows_with_repeated_index"]:
        # Repeats lift MAP, since a word that is found once counts at each of its places: told apart here.
        distinct = {id_: _without_repeats(row) for id_, row in predicted.items()}
        figures["map_without_repeats"] = metrics.consistency(known.pair_map, distinct, known.words)["map"]
    return figures


def score_baselines(
    rows: Sequence[Rationale], known: References, ratio: float, convention: metrics.Convention = "paddlenlp"
) -> dict[str, dict[str, float]]:
    """The same figures for choices that need no model; `rows` lend their ids, labels and sizes."""
    draws = [
        score(baselines.random_words(rows, known.words, draw), known, convention) for draw in range(baselines.N_DRAWS)
    ]
    return {
        "all_words": score(baselines.all_words(rows, known.words), known, convention),
        "first_share": score(baselines.first_share(rows, known.words, ratio), known, convention),
        "random": {key: sum(draw[key] for draw in draws) / len(draws) for key in draws[0]},
        "overlap": score(baselines.overlap(rows, known.words), known, convention),
    }


def read_references(
    pairs: Sequence[SegmentedPair],
    pairs_name: str,
    gold_file: Path | None = None,
    map_file: Path | None = None,
    labels_file: Path | None = None,
) -> References:
    """Read what is known of the pairs. Raises DataError where a file is broken or speaks of other rows or words."""
    by_id = {pair.id: pair for pair in pairs}
    gold: list[GoldRow] = []
    pair_map: list[tuple[int, int]] = []
    labels: dict[int, int] = {}
    if gold_file is not None:
        gold = read_gold(gold_file)
        require_known_ids(gold_file, (row.id for row in gold), by_id, pairs_name)
        require_same_words(gold_file, gold, by_id)
    if map_file is not None:
        pair_map = read_pair_map(map_file)
        require_known_ids(map_file, (id_ for couple in pair_map for id_ in couple), by_id, pairs_name)
    if labels_file is not None:
        labels = read_labels(labels_file)
        require_known_ids(labels_file, labels, by_id, pairs_name)
    known = References.of(pairs, gold, pair_map, labels)
    require_known_ids(gold_file or "gold", (id_ for couple in known.pair_map for id_ in couple), by_id, pairs_name)
    return known


def evaluate_files(
    pairs_file: Path,
    predictions_file: Path,
    gold_file: Path | None,
    map_file: Path | None,
    labels_file: Path | None,
    convention: metrics.Convention,
) -> dict[str, Any]:
    """Measure a submission file against the files that are given, with the baselines beside it.

    Reference rows without a prediction are counted, named in a warning and scored as the convention says; raises
    DataError where none has one.
    """
    pairs = read_segmented(pairs_file)
    numbered = read_submission(predictions_file)
    n_repeating = check_rows(predictions_file, numbered, pairs)
    rows = [row for _, row in numbered]
    known = read_references(pairs, str(pairs_file), gold_file, map_file, labels_file)
    asked = {*(known.labels or ()), *(id_ for couple in known.pair_map for id_ in couple)}
    missing = sorted(asked - {row.id for row in rows})
    if asked and len(missing) == len(asked):
        raise DataError(predictions_file, f"none of the {len(asked)} reference ids is predicted; first: {missing[0]}")
    if missing:
        log.warning("%s: %d of %d reference ids are not predicted; the first is %d",
                    predictions_file, len(missing), len(asked), missing[0])  # fmt: skip
    if n_repeating:
        log.warning("%s: %d rows repeat an index", predictions_file, n_repeating)
    return {
        "convention": convention,
        "rows": len(rows),
        "missing_rows": len(missing),
        "gold_rows": len(known.gold),
        "perturbed_pairs": len(known.pair_map),
        "scores": score(rows, known, convention),
        "baselines": score_baselines(rows, known, SimilarityV1().ratio, convention),
    }


def _without_repeats(row: Rationale) -> Rationale:
    return Rationale(row.id, row.label, tuple(dict.fromkeys(row.words_q)), tuple(dict.fromkeys(row.words_t)))
