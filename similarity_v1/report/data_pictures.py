"""What the report shows of the data: statistics.json of the prepare stage as bars, histograms and a heat map.

Nothing is counted here; figures are put into the order in which people read them, and turned into shades and widths.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from typing import Any

from similarity_v1.report.lengths import Histograms, histograms

SECTIONS = ("sets", "corpora", "overlaps", "shared_sentences", "length_edges", "train", "text")
NOTES = ("augmented_rows", "cleaned_rows", "refused", "not_kept_out")
TRAINING = "train"
REPEATS = ("contradicting", "repeated", "nearly repeated")  # any other fault is the name of a set that is scored
SMALL_SHARE = 0.0005  # prints as 0.0 per cent


@dataclass(frozen=True)
class Segment:
    """A piece of a bar that is 100 wide. kind picks its colour."""

    kind: str
    left: float
    width: float
    title: str


@dataclass(frozen=True)
class SetRow:
    """One set or corpus: what prepare's `describe` says, and its rows by label as a bar."""

    name: str
    figures: Mapping[str, Any]
    labels: tuple[Segment, ...]


@dataclass(frozen=True)
class Cell:
    """One cell of a heat map: shade 0 to 1, what is printed in it, what hovering says. kind: "own" on the diagonal."""

    shade: float = 0.0
    text: str = ""
    title: str = ""
    kind: str = ""


@dataclass(frozen=True)
class HeatMap:
    """names of the columns, and the same for the rows: (name, its cells)."""

    names: tuple[str, ...]
    rows: tuple[tuple[str, tuple[Cell, ...]], ...]


@dataclass(frozen=True)
class LeftOut:
    """One corpus on its way into the text: rows read, kept, and left out by reason, also as a bar."""

    name: str
    rows: int
    kept: int
    reasons: Mapping[str, int]
    bar: tuple[Segment, ...]


@dataclass(frozen=True)
class DataPictures:
    """Everything the section reads. corpora is empty where the text comes from the training pairs alone.

    faults: (fault, per file the rows found and the rows left out for it; None where nobody looked, or none is dropped).
    """

    sets: tuple[SetRow, ...]
    corpora: tuple[SetRow, ...]
    lengths: Histograms
    heat: HeatMap
    text: tuple[LeftOut, ...]
    together: LeftOut
    reasons: tuple[str, ...]
    faults: tuple[tuple[str, tuple[int | None, ...]], ...]
    cleaned: Mapping[str, Mapping[str, int]]
    figures: Mapping[str, Any]


def data_pictures(statistics: Mapping[str, Any]) -> DataPictures | None:
    """The section's content from the parsed statistics.json; None where that is empty or of an earlier version."""
    if not {*SECTIONS, *NOTES} <= statistics.keys():
        return None
    names = statistics["shared_sentences"]["names"]  # a list keeps the order that the file's sorted keys have lost
    sets = _in_order(statistics["sets"], (TRAINING, *names))
    corpora = _in_order(statistics["corpora"], names)
    several = corpora if len(corpora) > 1 else {}
    reasons = _in_order(statistics["text"]["left_out"], (*sets, *REPEATS))
    return DataPictures(
        sets=_set_rows(sets),
        corpora=_set_rows(several),
        lengths=histograms({**sets, **several}, statistics["length_edges"]),
        heat=heat_map(names, statistics["shared_sentences"]["shares"]),
        text=tuple(_left_out(name, facts["rows"], facts["left_out"], reasons) for name, facts in corpora.items()),
        together=_left_out("together", sum(facts["rows"] for facts in corpora.values()), reasons, reasons),
        reasons=tuple(reason for reason, count in reasons.items() if count),
        faults=_faults(statistics["train"], statistics["text"], (*sets, *REPEATS)),
        cleaned=_in_order(statistics["cleaned_rows"], tuple(sets)),
        figures=statistics,
    )


def _in_order(named: Mapping[str, Any], order: Sequence[str]) -> dict[str, Any]:
    """The same entries, those in `order` first."""
    known = {name: named[name] for name in order if name in named}
    return {**known, **named}


def _set_rows(sets: Mapping[str, Mapping[str, Any]]) -> tuple[SetRow, ...]:
    return tuple(SetRow(name, figures, bar(_by_label(figures))) for name, figures in sets.items())


def _by_label(figures: Mapping[str, Any]) -> list[tuple[str, str, int]]:
    rows, labelled, positive = figures["rows"], figures["labelled"], figures["positive"]
    return [
        ("label1", "label 1", positive),
        ("label0", "label 0", labelled - positive),
        ("unlabelled", "no label", rows - labelled),
    ]


def bar(parts: Iterable[tuple[str, str, int]]) -> tuple[Segment, ...]:
    """(kind, name, rows) side by side, together 100 wide; parts without rows are left away."""
    parts = [part for part in parts if part[2]]
    total = sum(n_rows for _, _, n_rows in parts)
    segments, left = [], 0.0
    for kind, name, n_rows in parts:
        width = 100 * n_rows / total
        segments.append(Segment(kind, round(left, 2), round(width, 2), f"{name}: {n_rows:,} ({n_rows / total:.1%})"))
        left += width
    return tuple(segments)


def heat_map(names: Sequence[str], shares: Sequence[Sequence[float]]) -> HeatMap:
    """shares: of the distinct sentences of one set (row), how many occur in another (column)."""
    rows = []
    for own, row in zip(names, shares, strict=True):
        rows.append((own, tuple(_cell(own, other, share) for other, share in zip(names, row, strict=True))))
    return HeatMap(tuple(names), tuple(rows))


def _cell(own: str, other: str, share: float) -> Cell:
    if own == other:
        return Cell(kind="own")
    if not share:
        return Cell()
    # The square root keeps one sentence in a hundred visible next to sets that contain each other.
    shade = sqrt(share)
    text = "·" if share < SMALL_SHARE else f"{100 * share:.0f}" if share >= 0.0995 else f"{100 * share:.1f}"
    return Cell(round(shade, 2), text, f"{share:.2%} of {own} is in {other}")


def _left_out(name: str, rows: int, left_out: Mapping[str, int], order: Iterable[str]) -> LeftOut:
    reasons = {reason: left_out.get(reason, 0) for reason in order}
    kept = rows - sum(reasons.values())
    parts = [("kept", "kept", kept)]
    parts += [("repeat" if reason in REPEATS else "leak", reason, count) for reason, count in reasons.items()]
    return LeftOut(name, rows, kept, reasons, bar(parts))


def _faults(
    train: Mapping[str, Any], text: Mapping[str, Any], order: Sequence[str]
) -> tuple[tuple[str, tuple[int | None, ...]], ...]:
    looked_for = _in_order({**train["found"], **text["found"]}, order)
    kinds = (train["found"], train["left_out"], text["found"], text["left_out"])
    return tuple((fault, tuple(kind.get(fault) for kind in kinds)) for fault in looked_for)
