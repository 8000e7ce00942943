"""What the report shows of fine-tuning: evaluations, confusion, threshold, calibration, sweeps, the surest mistakes.

Figures are read as similarity_v0 has left them and put into the order in which people read them.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from final_project.data.files.contest import iter_json_lines
from final_project.errors import ArtifactError, DataError
from final_project.run.result_files import ResultFiles
from similarity_v1.pages.wording import SETS, Text
from similarity_v1.report.artefacts import read_object
from similarity_v1.report.curves import Chart, scale, ticks
from similarity_v1.report.reliability_chart import reliability_chart

MOST_EVALUATIONS = 16  # rows of the table; the curves have them all
MOST_CHARACTERS = 240  # of a sentence; what is longer is cut
DEEP_SHADE = 0.72
COLUMNS = ("epoch", "train_loss", "dev_loss", "dev_accuracy", "dev_f1")


@dataclass(frozen=True)
class Evaluation:
    """figures: by COLUMNS. is_chosen: the weights of this step were kept. fold: which, where there are folds."""

    step: int
    figures: Mapping[str, float | None]
    is_chosen: bool
    fold: int | None = None


@dataclass(frozen=True)
class ConfusionCell:
    """count: rows. share: of the rows with this label. is_deep: the shade asks for the other ink."""

    count: int
    share: float
    is_right: bool

    @property
    def is_deep(self) -> bool:
        return self.share >= DEEP_SHADE


@dataclass(frozen=True)
class Confusion:
    """cells[label][decision]."""

    name: Text
    cells: tuple[tuple[ConfusionCell, ...], ...]


@dataclass(frozen=True)
class Mistake:
    """probability: P(1)."""

    split: str
    row: int
    label: int
    decided: int
    probability: float
    sentence1: str
    sentence2: str


@dataclass(frozen=True)
class Whisker:
    """A variant of a sweep: what it gained, and where this is drawn in a picture that is 100 wide (None: not known)."""

    name: str
    figures: Mapping[str, Any]
    at: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class SweepPicture:
    """zero: where no difference is; ends: the differences at both sides of the picture."""

    name: str
    metric: str
    n_seeds: int
    rows: tuple[Whisker, ...]
    zero: float
    ends: tuple[float, float]


@dataclass(frozen=True)
class FineTuning:
    """Everything the section's template reads. threshold, calibration: as the stage's JSON files; None where absent."""

    evaluations: Sequence[Evaluation]
    confusions: Sequence[Confusion]
    threshold: Mapping[str, Any] | None
    calibration: Sequence[tuple[Text, Mapping[str, Any], Mapping[str, Any]]]
    reliability: Chart | None
    mistakes: Sequence[Mistake]
    sweeps: Sequence[SweepPicture]


def content(run_dir: Path) -> FineTuning | None:
    """Read a run's folder; None where similarity_v0 has not finished there.

    Raises ArtifactError or DataError where a file in it is broken.
    """
    stage = run_dir / "similarity_v0"
    result = ResultFiles.of_stage(stage).folder
    confusions = read_object(result / "confusion.json")
    if confusions is None:
        return None
    calibrated = calibrated_sets(read_object(result / "calibration.json") or {})
    try:
        return FineTuning(
            evaluations=evaluations(result / "curves.csv"),
            confusions=[_confusion(name, confusions[split]) for split, name in SETS.items() if split in confusions],
            threshold=read_object(result / "threshold.json"),
            calibration=calibrated,
            reliability=calibration_chart(calibrated),
            mistakes=mistakes(result / "mistakes.jsonl"),
            sweeps=[
                sweep_picture(read_object(path) or {}) for path in sorted((run_dir / "sweeps").glob("*/results.json"))
            ],
        )  # fmt: skip
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"{result}: a file is not as similarity_v0 writes it ({error!r}): run it again") from error


def evaluations(path: Path) -> list[Evaluation]:
    """The rows of curves.csv, evenly thinned to what a person reads, the chosen ones among them."""
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as file:
        rows = [
            {key: float(value) for key, value in row.items() if value} for row in csv.DictReader(file)
        ]  # fmt: skip
    for line, row in enumerate(rows, start=2):
        if off := [key for key, value in row.items() if not math.isfinite(value)]:
            raise DataError(path, f"{off[0]}: expected a finite number, found {row[off[0]]}", line)
    found = [
        Evaluation(
            int(row["step"]), {key: row.get(key) for key in COLUMNS}, row.get("kept") == 1,
            int(row["fold"]) if "fold" in row else None,
        )
        for row in rows
    ]  # fmt: skip
    stride = max(1.0, len(found) / MOST_EVALUATIONS)
    shown = {round(place * stride) for place in range(MOST_EVALUATIONS)} | {len(found) - 1}
    return [one for place, one in enumerate(found) if place in shown or one.is_chosen]


def _confusion(name: Text, facts: Mapping[str, Any]) -> Confusion:
    rows = zip(facts["counts"], facts["shares"], strict=True)
    return Confusion(
        name,
        tuple(
            tuple(
                ConfusionCell(count, share, label == decision)
                for decision, (count, share) in enumerate(zip(*row, strict=True))
            )
            for label, row in enumerate(rows)
        ),
    )


def calibrated_sets(facts: Mapping[str, Any]) -> list[tuple[Text, Mapping[str, Any], Mapping[str, Any]]]:
    """(set, figures before, figures after) where probabilities were calibrated. On the set that the map was fitted on,
    each pair is calibrated by a map that was fitted without it."""
    wanted = ((SETS.get(str(facts.get("fitted_on"))), facts.get("cross_fitted")), (SETS["test"], facts.get("test")))
    name_of_folds = Text("dev and out of fold", "开发集与折外")
    return [(name or name_of_folds, of["before"], of["after"]) for name, of in wanted if of and of["after"]]


def calibration_chart(calibrated: Sequence[tuple[Text, Mapping[str, Any], Mapping[str, Any]]]) -> Chart | None:
    """The reliability diagram before and after calibration, of the last set: test where it has labels."""
    if not calibrated:
        return None
    name, before, after = calibrated[-1]
    title = Text(f"Calibration, {name.en}", f"校准，{name.zh}")
    return reliability_chart(title, [(Text("before", "校准前"), before), (Text("after", "校准后"), after)])


def mistakes(path: Path) -> list[Mistake]:
    if not path.is_file() or not path.stat().st_size:
        return []
    found = []
    for line, row in iter_json_lines(path):
        try:
            facts = {key: row[key] for key in ("split", "row", "label", "decided", "probability")}
            found.append(Mistake(**facts, sentence1=_cut(row["sentence1"]), sentence2=_cut(row["sentence2"])))
        except (KeyError, TypeError) as error:
            raise DataError(path, f"not a mistake as similarity_v0 writes it ({error!r})", line) from error
    return found


def sweep_picture(facts: Mapping[str, Any]) -> SweepPicture:
    """Variants with the largest gain first, the base at the top; whiskers: 95 % of the difference over dev pairs."""
    base, *rows = facts["rows"]
    rows.sort(key=lambda row: -math.inf if row["difference"] is None else row["difference"], reverse=True)
    spans = [row[key] for row in rows for key in ("difference", "pairs_low", "pairs_high") if row[key] is not None]
    levels = ticks(min(spans, default=0.0), max(0.0, *spans, 1e-4))
    ends = (min(levels[0], 0.0), levels[-1])

    def to_x(value: float) -> float:
        return round(scale(value, *ends, 0, 100), 2)

    whiskers = []
    for row in (base, *rows):
        at, low, high = (row[key] for key in ("difference", "pairs_low", "pairs_high"))
        whiskers.append(Whisker(row["variant"], row, *(None if x is None else to_x(x) for x in (at, low, high))))
    return SweepPicture(facts["sweep"], facts["metric"], len(facts["seeds"]), tuple(whiskers), to_x(0.0), ends)


def _cut(text: str) -> str:
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "…"
