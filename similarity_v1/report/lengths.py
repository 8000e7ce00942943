"""Histograms as small pictures on one scale, so that sets can be compared at a glance: lengths of sentences, shares."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from similarity_v1.report.curves import Tick, scale, ticks

WIDTH, HEIGHT = 160, 104
TOP, BOTTOM = 4, 88
GAP = 1.2  # between two bars
VISIBLE = 0.1  # a lower bar is not seen


@dataclass(frozen=True)
class Column:
    """One bar: a stroke from the bottom of the picture up to y. is_median: it holds the sentence in the middle."""

    x: str
    y: str
    title: str
    is_median: bool


@dataclass(frozen=True)
class Histogram:
    """One set's lengths. columns is empty where the set has no sentence."""

    name: str
    quantiles: Mapping[str, int]
    columns: tuple[Column, ...]


@dataclass(frozen=True)
class Histograms:
    """Pictures that share their axes: lengths in characters (or what the edges count), and the share of sentences."""

    pictures: tuple[Histogram, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    column_width: str
    width: int = WIDTH
    height: int = HEIGHT
    top: int = TOP
    bottom: int = BOTTOM


def histograms(sets: Mapping[str, Mapping[str, Any]], edges: Sequence[int]) -> Histograms:
    """sets: `describe` of each set by name. edges: the bins' lower edges, the last bin open; bins are drawn alike."""
    shares = {name: _shares(facts["length_histogram"]) for name, facts in sets.items()}
    levels = ticks(0.0, max((share for of_set in shares.values() for share in of_set), default=1.0))
    pictures = tuple(
        Histogram(
            name, facts["length_chars"], _columns(shares[name], facts["length_chars"].get("0.5"), edges, levels[-1])
        )
        for name, facts in sets.items()
    )
    middle = len(edges) // 2
    x_ticks = (
        Tick("0", f"{edges[0]}"),
        Tick(f"{middle * WIDTH / len(edges):.1f}", f"{edges[middle]}"),
        Tick(f"{WIDTH}", f"{edges[-1]}+"),
    )
    y_ticks = tuple(Tick(f"{_place_y(level, levels[-1]):.1f}", f"{100 * level:.3g}%") for level in levels if level > 0)
    return Histograms(pictures, x_ticks, y_ticks, column_width=f"{WIDTH / len(edges) - GAP:.1f}")


def _shares(counts: Sequence[int]) -> list[float]:
    return [count / (sum(counts) or 1) for count in counts]


def _columns(shares: Sequence[float], median: int | None, edges: Sequence[int], top: float) -> tuple[Column, ...]:
    names = [f"{low} to {high - 1}" for low, high in pairwise(edges)] + [f"{edges[-1]} and more"]
    median_bin = None if median is None else bisect_right(edges, median) - 1
    places = [(place + 0.5) * WIDTH / len(edges) for place in range(len(edges))]
    heights = [_place_y(share, top) for share in shares]
    return tuple(
        Column(f"{x:.1f}", f"{y:.1f}", f"{name}: {share:.1%}", place == median_bin)
        for place, (x, y, name, share) in enumerate(zip(places, heights, names, shares, strict=True))
        if BOTTOM - y >= VISIBLE
    )


def _place_y(share: float, top: float) -> float:
    return scale(share, 0.0, top, BOTTOM, TOP)
