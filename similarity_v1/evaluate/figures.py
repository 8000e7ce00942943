"""One table of figures for rationales: plausibility against gold, consistency under perturbation, labels, shares.

A figure whose reference is not there is left out rather than guessed. Each figure is kept as the rows it is the mean of
(`metrics.Values`), so that intervals and the test against another system are made from the same numbers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from final_project.data.records import GoldRow, Rationale, SegmentedPair
from similarity_v1.evaluate import baselines, metrics
from similarity_v1.evaluate.metrics import Convention, Values
from similarity_v1.rationales.word_scores import WordScores

Figures = dict[str, Values]


@dataclass(frozen=True)
class References:
    """What is known of the rows. gold, pair_map and labels are empty where nothing is known.

    perturbed: the ids that MAP is divided by: those of the pair map, and the gold rows that say they are perturbed.
    """

    words: Mapping[int, tuple[Sequence[str], Sequence[str]]]
    gold: Sequence[GoldRow] = ()
    pair_map: Sequence[tuple[int, int]] = ()
    labels: Mapping[int, int] = field(default_factory=dict)
    perturbed: Sequence[int] = ()

    @classmethod
    def of(
        cls,
        pairs: Sequence[SegmentedPair],
        gold: Sequence[GoldRow] = (),
        pair_map: Sequence[tuple[int, int]] = (),
        labels: Mapping[int, int] | None = None,
    ) -> References:
        """Gold rows supply labels and pairing if none are given; related rows that are not among the
        pairs are left out of it, as the public evaluators do."""
        words = {pair.id: (pair.words_q, pair.words_t) for pair in pairs}
        pairing = list(pair_map) or [couple for couple in metrics.pair_map_from_gold(gold) if couple[1] in words]
        unpaired = [] if pair_map else [row.id for row in gold if row.sample_type == "disturb"]
        return cls(
            words=words,
            gold=gold,
            pair_map=pairing,
            labels=labels or {row.id: row.label for row in gold},
            perturbed=list(dict.fromkeys([*(perturbed for _, perturbed in pairing), *unpaired])) if pairing else [],
        )


def measure(rows: Sequence[Rationale], known: References, convention: Convention = "paddlenlp") -> Figures:
    """Every figure that the references allow, for one system, as values by row. Raises RecipeError for a convention
    that does not exist."""
    metrics.require_convention(convention)
    predicted = {row.id: row for row in rows}
    figures: Figures = {}
    if known.labels:
        figures |= _label_figures(known.labels, predicted)
    if known.gold:
        figures |= _plausibility(known.gold, predicted, convention)
    if known.pair_map:
        figures |= _consistency(known, predicted)
    sides = {row.id: zip((row.words_q, row.words_t), known.words[row.id], strict=True) for row in rows}
    figures["share_chosen"] = metrics.mean_of(
        {id_: sum(len(set(chosen)) / len(words) for chosen, words in both) / 2 for id_, both in sides.items()}
    )
    if known.pair_map and n_repeating(rows):
        # Repeated words raise MAP, since a word that is found once counts at each of its positions.
        distinct = {id_: _without_repeats(row) for id_, row in predicted.items()}
        figures["map_without_repeats"] = _consistency(known, distinct)["map"]
    return figures


def measure_baselines(
    rows: Sequence[Rationale], known: References, ratio: float, convention: Convention = "paddlenlp"
) -> dict[str, Figures]:
    """The same figures for choices that need no model; they take ids, labels and sizes from `rows`."""
    draws = [baselines.random_words(rows, known.words, draw) for draw in range(baselines.N_DRAWS)]
    drawn = [measure(draw, known, convention) for draw in draws]
    chosen = baselines.all_baselines(rows, known.words, ratio)
    return {name: measure(answers, known, convention) for name, answers in chosen.items()} | {
        "random": {name: _mean_of_draws([draw[name] for draw in drawn]) for name in drawn[0]}
    }


def rank_words(scored: Sequence[WordScores], known: References, convention: Convention = "paddlenlp") -> Figures:
    """How high word scores put the marked words: area under the precision-recall curve, the best of several gold sets,
    the mean of both sides. Raises RecipeError for a convention that does not exist."""
    metrics.require_convention(convention)
    by_id = {row.id: row for row in scored}
    found: dict[int, float] = {}
    for row in known.gold:
        mine = by_id.get(row.id)
        if mine is not None:
            sides = ((mine.scores_q, row.sets_q), (mine.scores_t, row.sets_t))
            found[row.id] = sum(max(metrics.ranking(x, gold)["auprc"] for gold in sets) for x, sets in sides) / 2
        elif convention == "paddlenlp":
            found[row.id] = 0.0
    return {"auprc": metrics.mean_of(found)}


def to_numbers(figures: Figures) -> dict[str, float]:
    return {name: values.figure for name, values in figures.items()}


def n_repeating(rows: Sequence[Rationale]) -> int:
    """The rows that name an index twice on one side."""
    return sum(any(a == b for side in (row.words_q, row.words_t) for a, b in pairwise(sorted(side))) for row in rows)


def _label_figures(labels: Mapping[int, int], predicted: Mapping[int, Rationale]) -> Figures:
    """In both conventions a missing row is wrong; macro-F1 is scikit-learn's, which asks for two labels a row, so it is
    that of the rows that are there."""
    there = [id_ for id_ in labels if id_ in predicted]
    right = {id_: float(id_ in predicted and predicted[id_].label == label) for id_, label in labels.items()}
    return {
        "accuracy": metrics.mean_of(right),
        "macro_f1": metrics.macro_f1_of(there, [labels[id_] for id_ in there], [predicted[id_].label for id_ in there]),
    }


def _plausibility(gold: Sequence[GoldRow], predicted: Mapping[int, Rationale], convention: Convention) -> Figures:
    counted = [row for row in gold if convention == "paddlenlp" or row.id in predicted]
    found = {
        row.id: metrics.plausibility_of(row, predicted[row.id], convention) if row.id in predicted else (0.0, 0.0)
        for row in counted
    }
    return {
        "token_f1": metrics.mean_of({id_: f1 for id_, (f1, _) in found.items()}),
        "iou_f1": metrics.mean_of({id_: hits for id_, (_, hits) in found.items()}),
    }


def _consistency(known: References, predicted: Mapping[int, Rationale]) -> Figures:
    """MAP under perturbation, and the share of pairs whose labels agree. Pairs with a missing row count as 0, in both
    conventions."""
    precisions = dict.fromkeys(known.perturbed, 0.0)
    agreement = dict.fromkeys(known.perturbed, 0.0)
    for source_id, perturbed_id in known.pair_map:
        source, perturbed = predicted.get(source_id), predicted.get(perturbed_id)
        if source is None or perturbed is None:
            continue
        agreement[perturbed_id] += float(source.label == perturbed.label)
        precisions[perturbed_id] += sum(precision_of_sides(known, source, perturbed)) / 2
    return {"map": metrics.mean_of(precisions), "label_agreement": metrics.mean_of(agreement)}


def precision_of_sides(known: References, source: Rationale, perturbed: Rationale) -> tuple[float, float]:
    """MAP(D, O) for both sides of a perturbed row and its source row."""
    of_source = metrics.chosen_words(source, known.words[source.id])
    of_perturbed = metrics.chosen_words(perturbed, known.words[perturbed.id])
    first, second = map(metrics.average_precision, of_perturbed, of_source)
    return first, second


def _mean_of_draws(draws: Sequence[Values]) -> Values:
    total_UK = sum((draw.values_UK for draw in draws[1:]), draws[0].values_UK)
    return Values(draws[0].ids_U, total_UK / len(draws), draws[0].kind)


def _without_repeats(row: Rationale) -> Rationale:
    return Rationale(row.id, row.label, tuple(dict.fromkeys(row.words_q)), tuple(dict.fromkeys(row.words_t)))
