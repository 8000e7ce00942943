"""What the report shows, gathered from a run's folder. A part that is not there is None: the page says "not run"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from final_project.errors import ArtifactError
from final_project.model.decision import FILE_NAME, load_decision
from final_project.model.learning import Learning
from final_project.model.reliability import reliability
from final_project.run.progress import read_metrics
from final_project.run.result_files import ResultFiles
from final_project.settings import SimilarityV1
from similarity_v1.pages.wording import CURVE_TITLES, CURVES, SETS, Text
from similarity_v1.report import decision_pictures, fine_tuning
from similarity_v1.report.artefacts import read_object
from similarity_v1.report.curves import Chart, chart
from similarity_v1.report.data_pictures import DataPictures, HeatMap, data_pictures
from similarity_v1.report.lengths import Histograms
from similarity_v1.report.listing import read_explained, records
from similarity_v1.report.reliability_chart import reliability_chart


@dataclass(frozen=True)
class Content:
    """Everything the report's template reads.

    rows: the records of the list (see listing.py), empty where the stage was not run; threshold: on P(1), where one
    decides. methods and chains: how much they agree; shares: how much each chain chooses. decisions: charts of
    threshold and reliability; calibration: expected calibration error by set, empty where fine_tuning shows it.
    charts: training curves by stage.
    nothing_learnt: the figures of a model that has learnt nothing, None for any other.
    """

    name: str
    settings: Mapping[str, Any]
    scores: Mapping[str, Any] | None
    overlap: Mapping[str, Any] | None
    evaluation: Mapping[str, Any] | None
    rows: Sequence[Mapping[str, Any]]
    threshold: float | None
    methods: HeatMap | None
    chains: HeatMap | None
    shares: Histograms | None
    decisions: Sequence[Chart]
    calibration: Mapping[str, float]
    charts: Mapping[str, Sequence[Chart]]
    fine_tuning: fine_tuning.FineTuning | None
    data: DataPictures | None
    nothing_learnt: Learning | None

    @property
    def is_contest(self) -> bool:
        """Whether a submission is handed in, and not only rationales shown."""
        return "original" in ((self.evaluation or {}).get("systems") or {})

    @property
    def has_gold(self) -> bool:
        return any("gold" in row for row in self.rows)

    @property
    def has_negative(self) -> bool:
        return any(score < 0 for row in self.rows for side in next(iter(row["scores"].values())) for score in side)

    @property
    def has_twins(self) -> bool:
        return any("of" in row for row in self.rows)


def gather(run_dir: Path, pair_map: Path | None = None) -> Content:
    """Read a run's folder; raises ArtifactError where there is none, ArtifactError or DataError where a file in it is
    broken. pair_map: see read_explained."""
    if not run_dir.is_dir():
        raise ArtifactError(f"{run_dir}: no such run; bash run.sh writes runs to runs/NAME")
    evaluation = read_object(run_dir / "similarity_v1" / "evaluation.json")
    settings = SimilarityV1(chain="published").model_dump() | ((evaluation or {}).get("settings") or {})
    statistics = read_object(run_dir / "prepare" / "statistics.json") or {}
    result = ResultFiles.of_stage(run_dir / "similarity_v0")
    scores = read_object(result.scores)
    explained = read_explained(run_dir, settings["method"], pair_map)
    everything = records(explained) if explained else []
    predicted = {
        name: decision_pictures.read_labelled(result.predictions(name), run_dir / "prepare" / f"{name}.csv")
        for name in SETS
    }
    labelled = {name: rows for name, rows in predicted.items() if rows is not None}
    threshold = ((scores or {}).get("dev") or {}).get("threshold")
    if (result.model / FILE_NAME).is_file():
        threshold = load_decision(result.model).threshold
    of_fine_tuning = fine_tuning.content(run_dir)
    figures = {name: reliability(rows.probabilities_B, rows.labels_B) for name, rows in labelled.items()}
    if of_fine_tuning and of_fine_tuning.calibration:  # its section shows these before and after calibration
        figures = {}
    decisions = (
        decision_pictures.threshold_chart(labelled, threshold),
        reliability_chart(Text("Reliability", "可靠性"), [(SETS[name], one) for name, one in figures.items()]),
    )
    return Content(
        name=run_dir.resolve().name,
        settings=settings,
        scores=scores,
        overlap=statistics.get("overlap_baseline"),
        evaluation=evaluation,
        rows=spread(everything, settings["report_pairs"]),
        threshold=threshold,
        methods=decision_pictures.agreement_of_methods(everything),
        chains=decision_pictures.agreement_of_chains(everything) if everything else None,
        shares=decision_pictures.share_chosen(everything),
        decisions=[picture for picture in decisions if picture is not None],
        calibration={name: one["ece_equal_mass"] for name, one in figures.items()},
        charts=_charts(run_dir),
        fine_tuning=of_fine_tuning,
        data=data_pictures(statistics),
        nothing_learnt=_nothing_learnt(labelled.get("dev"), threshold, statistics),
    )


def _nothing_learnt(
    dev: decision_pictures.LabelledScores | None, threshold: Any, statistics: Mapping[str, Any]
) -> Learning | None:
    """The figures of a model that has learnt nothing; None if it has learnt something, or if that is unknown."""
    if dev is None or not isinstance(threshold, int | float):
        return None
    overlap = (statistics.get("overlap_baseline") or {}).get("dev_accuracy")
    learning = Learning.of(dev.probabilities_B >= threshold, dev.labels_B, overlap)
    return learning if learning.is_nothing else None


def spread(rows: Sequence[Mapping[str, Any]], most: int) -> list[Mapping[str, Any]]:
    """At most `most` of the rows, evenly spread; where rows are perturbed, source rows and the first from each."""
    if len(rows) <= most:
        return list(rows)
    by_id = {row["id"]: row for row in rows}
    first_twin: dict[int, int] = {}
    for row in rows:
        if "of" in row:
            first_twin.setdefault(row["of"], row["id"])
    if not first_twin:
        return _evenly(rows, most)
    couples = _evenly(sorted(first_twin.items()), most // 2)
    return [by_id[id_] for couple in couples for id_ in couple]


def _evenly(items: Sequence[Any], n_wanted: int) -> list[Any]:
    n_wanted = min(n_wanted, len(items))
    return [items[i * len(items) // n_wanted] for i in range(n_wanted)]


def _charts(run_dir: Path) -> dict[str, list[Chart]]:
    charts = {}
    for stage, wanted in CURVES.items():
        rows = [row for row in read_metrics(run_dir / stage / "metrics.jsonl") if isinstance(row, dict)]
        drawn = [chart(CURVE_TITLES[title], rows, names) for title, names in wanted.items()]
        charts[stage] = [picture for picture in drawn if picture is not None]
    return charts
