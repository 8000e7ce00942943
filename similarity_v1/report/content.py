"""What the pages show, gathered from a run's folder. A part that is not there is None: the page says "not run"."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from final_project.data.contest import read_json_lines, read_segmented
from final_project.data.pairs import GoldRow, Rationale, SegmentedPair
from final_project.errors import ArtifactError
from final_project.progress import read_metrics
from final_project.settings import SimilarityV1
from similarity_v1.chains import LAST_FILE
from similarity_v1.gold import read_gold, read_pair_map
from similarity_v1.metrics import pair_map_of
from similarity_v1.report.curves import Chart, chart
from similarity_v1.report.data_pictures import DataPictures, data_pictures
from similarity_v1.submission import read_submission


@dataclass(frozen=True)
class Word:
    """One word: its text, score and shade (0 to 1), and per chain the ranks (from 1) at which it was chosen."""

    text: str
    score: float
    shade: float
    ranks: Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Card:
    """One explained pair. probability is P(1); gold_label and twin_of are None where nothing is known."""

    id: int
    label: int
    probability: float
    gold_label: int | None
    twin_of: int | None
    sides: tuple[tuple[Word, ...], tuple[Word, ...]]
    chains: tuple[str, ...]


@dataclass(frozen=True)
class Content:
    """Everything the report's template reads."""

    name: str
    settings: Mapping[str, Any]
    scores: Mapping[str, Any] | None
    overlap: Mapping[str, Any] | None
    evaluation: Mapping[str, Any] | None
    data: DataPictures | None
    charts: Mapping[str, Sequence[Chart]]
    cards: Sequence[Card]


def gather(run_dir: Path) -> Content:
    """Read a run's folder; raises ArtifactError where there is none, or where a file in it is broken."""
    if not run_dir.is_dir():
        raise ArtifactError(f"{run_dir}: no such run; bash run.sh writes runs to runs/NAME")
    evaluation = _read_json(run_dir / "similarity_v1" / "evaluation.json")
    settings = (evaluation or {}).get("settings") or SimilarityV1().model_dump()
    statistics = _read_json(run_dir / "prepare" / "statistics.json")
    if not isinstance(statistics, dict):
        statistics = {}
    return Content(
        name=run_dir.resolve().name,
        settings=settings,
        scores=_read_json(run_dir / "similarity_v0" / "result" / "scores.json"),
        overlap=statistics.get("overlap_baseline"),
        evaluation=evaluation,
        data=data_pictures(statistics),
        charts=_charts(run_dir),
        cards=_cards(run_dir, settings["report_pairs"]),
    )


def card(
    pair: SegmentedPair,
    scores: Mapping[str, Any],
    chosen: Mapping[str, Rationale],
    gold: GoldRow | None = None,
    twin_of: int | None = None,
) -> Card:
    """One pair for the page. scores: a line of scores.jsonl; chosen: chain -> its row."""
    ranked = {chain: (row.words_q, row.words_t) for chain, row in chosen.items()}
    if gold is not None:
        ranked["gold"] = (gold.sets_q[0], gold.sets_t[0])
    sides = tuple(
        _words(words, scores[key], {chain: both[side] for chain, both in ranked.items()})
        for side, (words, key) in enumerate(((pair.words_q, "scores_q"), (pair.words_t, "scores_t")))
    )
    gold_label = gold.label if gold is not None else None
    return Card(pair.id, scores["label"], scores["probability"], gold_label, twin_of, sides, tuple(ranked))


def _words(words: Sequence[str], scores: Sequence[float], ranked: Mapping[str, Sequence[int]]) -> tuple[Word, ...]:
    highest = max(scores, default=0) or 1.0
    places: list[dict[str, list[int]]] = [{} for _ in words]
    for chain, order in ranked.items():
        for rank, position in enumerate(order, start=1):
            places[position].setdefault(chain, []).append(rank)
    return tuple(
        Word(text, value, max(value / highest, 0.0), {chain: tuple(ranks) for chain, ranks in found.items()})
        for text, value, found in zip(words, scores, places, strict=True)
    )


def _charts(run_dir: Path) -> dict[str, list[Chart]]:
    wanted = {
        "posttrain": {
            "Masked-LM loss": {"loss": "training", "held_out_loss": "held out"},
            "Masked-LM perplexity": {"held_out_perplexity": "held out"},
        },
        "similarity_v0": {
            "Loss": {"loss": "training", "dev_loss": "dev"},
            "Dev scores": {"dev_accuracy": "accuracy", "dev_f1": "F1"},
        },
    }
    charts = {}
    for stage, pictures in wanted.items():
        rows = [row for row in read_metrics(run_dir / stage / "metrics.jsonl") if isinstance(row, dict)]
        drawn = [chart(title, rows, names) for title, names in pictures.items()]
        charts[stage] = [picture for picture in drawn if picture is not None]
    return charts


def _cards(run_dir: Path, n_cards: int) -> list[Card]:
    stage, prepared = run_dir / "similarity_v1", run_dir / "prepare"
    needed = [prepared / "explain.jsonl", stage / "scores.jsonl", *(stage / "submit" / f for f in LAST_FILE.values())]
    if not all(path.is_file() for path in needed):
        return []
    pairs = {pair.id: pair for pair in read_segmented(needed[0])}
    scores = {record["id"]: record for _, record in read_json_lines(needed[1])}
    chains = {
        chain: {row.id: row for _, row in read_submission(stage / "submit" / file)} for chain, file in LAST_FILE.items()
    }
    gold_file, map_file = prepared / "gold.jsonl", prepared / "pair_map.jsonl"
    gold = {row.id: row for row in read_gold(gold_file)} if gold_file.is_file() else {}
    twins = read_pair_map(map_file) if map_file.is_file() else pair_map_of(gold.values())
    twin_of = {perturbed: original for original, perturbed in twins}
    return [
        card(
            pairs[id_],
            scores[id_],
            {chain: rows[id_] for chain, rows in chains.items()},
            gold.get(id_),
            twin_of.get(id_),
        )
        for id_ in shown_ids(list(pairs), twins, n_cards)
    ]


def shown_ids(ids: Sequence[int], twins: Sequence[tuple[int, int]], n_cards: int) -> list[int]:
    """Which pairs the report shows: evenly spread, and where rows have a perturbed twin both, one after the other."""
    if not twins:
        return _spread(ids, n_cards)
    first_twin: dict[int, int] = {}
    for original, perturbed in twins:
        first_twin.setdefault(original, perturbed)
    couples = _spread(list(first_twin.items()), n_cards // 2)
    return [id_ for couple in couples for id_ in couple]


def _spread(items: Sequence[Any], n_wanted: int) -> list[Any]:
    n_wanted = min(n_wanted, len(items))
    return [items[i * len(items) // n_wanted] for i in range(n_wanted)]


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise ArtifactError(f"{path}: cannot be read: {error}") from error
