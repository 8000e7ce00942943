"""Measure a submission file against what is known of its rows: gold, pairing, labels, a model, another submission.

Everything is read and checked before anything is measured. Each figure comes with its bootstrap interval and with the
baselines' figures beside it.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from final_project.data.files.how_to_read import AS_NAMED, HowToRead
from final_project.data.records import GoldRow, Rationale, SegmentedPair
from final_project.errors import DataError
from final_project.prepare.rows_to_explain import read_explained
from final_project.settings import SimilarityV1
from similarity_v1.evaluate import baselines, metrics
from similarity_v1.evaluate.figures import (
    Figures,
    References,
    measure,
    measure_baselines,
    n_repeating,
    rank_words,
    to_numbers,
)
from similarity_v1.evaluate.gold import read_gold, read_labels, read_pair_map, require_known_ids, require_same_words
from similarity_v1.evaluate.metrics import Convention
from similarity_v1.rationales.submission import check_rows, read_submission
from similarity_v1.rationales.word_scores import read_scores

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EvaluationRequest:
    """The files of one evaluation, and how it is to be made. scores: word scores of the predictions, for auprc; aopc:
    also that, where there is a model. Raises RecipeError for a convention that does not exist."""

    pairs: Path
    predictions: Path
    gold: Path | None = None
    pair_map: Path | None = None
    labels: Path | None = None
    against: Path | None = None
    model: Path | None = None
    scores: Path | None = None
    aopc: bool = False
    convention: Convention = "paddlenlp"
    how: HowToRead = AS_NAMED  # the pairs

    def __post_init__(self) -> None:
        metrics.require_convention(self.convention)


def evaluate_files(request: EvaluationRequest) -> dict[str, Any]:
    """Figures with intervals, the baselines', and where another submission is given the paired test against it.

    Reference rows without a prediction are counted, named in a warning and scored as the convention says; raises
    DataError where none has one.
    """
    pairs = read_explained(request.pairs, request.how)
    rows = _read_rows(request.predictions, pairs)
    other = _read_rows(request.against, pairs) if request.against is not None else None
    scored = read_scores(request.scores, pairs) if request.scores is not None else []
    known = read_references(pairs, str(request.pairs), request.gold, request.pair_map, request.labels)
    wanted = {*known.labels, *(id_ for couple in known.pair_map for id_ in couple)}
    n_missing = _require_answers(request.predictions, rows, wanted)
    found = measure(rows, known, request.convention)
    beside = measure_baselines(rows, known, SimilarityV1().ratio, request.convention)
    if scored and known.gold:
        found |= rank_words(scored, known, request.convention)
        beside["random"] |= rank_words(baselines.random_scores(scored), known, request.convention)
    theirs: Figures = {}
    if request.against is not None and other is not None:
        _require_answers(request.against, other, wanted)
        theirs = measure(other, known, request.convention)
    if request.model is not None:
        marked = [row.id for row in known.gold] or None
        _ask_model(request.model, request.aopc, pairs, marked, [(rows, found), (other or [], theirs)], beside)
    answer: dict[str, Any] = {
        "convention": request.convention,
        "rows": len(rows),
        "missing_rows": n_missing,
        "gold_rows": len(known.gold),
        "perturbed_pairs": len(known.pair_map),
        "scores": to_numbers(found) | {"rows_with_repeated_index": n_repeating(rows)},
        "intervals": metrics.intervals(found),
        "baselines": {name: to_numbers(figures) for name, figures in beside.items()},
        "baseline_intervals": {name: metrics.intervals(figures) for name, figures in beside.items()},
    }
    if other is not None:
        shared = [name for name in found if name in theirs]
        tests = {name: asdict(metrics.compare(found[name], theirs[name])) for name in shared}
        answer["against"] = {"scores": to_numbers(theirs), "comparison": tests}
    return answer


def read_references(
    pairs: Sequence[SegmentedPair],
    pairs_name: str,
    gold_file: Path | None = None,
    map_file: Path | None = None,
    labels_file: Path | None = None,
) -> References:
    """Read what is known of the pairs. Raises DataError if a file is broken or is about other rows or words."""
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
    unknown = [related for row in gold for related in row.rel_ids if related not in by_id]
    if unknown:
        log.warning("%s: %d related rows are not in %s and left out; the first is %d",
                    gold_file, len(unknown), pairs_name, unknown[0])  # fmt: skip
    return References.of(pairs, gold, pair_map, labels)


def _read_rows(path: Path, pairs: Sequence[SegmentedPair]) -> list[Rationale]:
    numbered = read_submission(path, may_be_empty=True)  # such a side scores 0
    n_repeats = check_rows(path, numbered, pairs)
    if n_repeats:
        log.warning("%s: %d rows repeat an index", path, n_repeats)
    return [row for _, row in numbered]


def _require_answers(path: Path, rows: Sequence[Rationale], wanted: Collection[int]) -> int:
    """The number of wanted rows without a prediction; raises DataError where none has one."""
    missing = sorted(set(wanted) - {row.id for row in rows})
    if wanted and len(missing) == len(wanted):
        raise DataError(path, f"none of the {len(wanted)} reference ids is predicted; first: {missing[0]}")
    if missing:
        log.warning("%s: %d of %d reference ids are not predicted; the first is %d",
                    path, len(missing), len(wanted), missing[0])  # fmt: skip
    return len(missing)


def _ask_model(
    model: Path,
    with_aopc: bool,
    pairs: Sequence[SegmentedPair],
    marked: Sequence[int] | None,
    systems: Sequence[tuple[Sequence[Rationale], Figures]],
    beside: Mapping[str, Figures],
) -> None:
    """Add the figures of faithfulness to the systems and to the baselines beside the first; torch is imported here.
    marked: the gold rows, which new_p and decision_flip are divided by where there are any."""
    from similarity_v1.evaluate.faithfulness import Judge

    judge = Judge.from_folder(model)

    def add(rows: Sequence[Rationale], figures: Figures) -> None:
        figures |= judge.figures(pairs, rows, marked)
        if with_aopc:
            figures |= judge.aopc(pairs, rows)

    for rows, figures in systems:
        if rows:
            add(rows, figures)
    words = {pair.id: (pair.words_q, pair.words_t) for pair in pairs}
    for name, rows in baselines.all_baselines(systems[0][0], words, SimilarityV1().ratio).items():
        add(rows, beside[name])
