"""One table of figures for rationales: plausibility against gold, consistency under perturbation, labels, shares.

A figure whose reference is not there is left out rather than guessed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from final_project.data.pairs import GoldRow, Rationale, SegmentedPair
from similarity_v1 import baselines, metrics


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


def _without_repeats(row: Rationale) -> Rationale:
    return Rationale(row.id, row.label, tuple(dict.fromkeys(row.words_q)), tuple(dict.fromkeys(row.words_t)))
