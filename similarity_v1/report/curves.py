"""Line charts as geometry that a template draws as SVG. Drawn by hand so that they follow the page's colours."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeGuard

from similarity_v1.pages.wording import Text

WIDTH, HEIGHT = 460, 240
LEFT, RIGHT, TOP, BOTTOM = 56, 18, 14, 42
MAX_POINTS = 400  # more than the picture has pixels to show
MAX_DOTS = 40
STEP = Text("step", "步")

Point = tuple[float, float]


@dataclass(frozen=True)
class Line:
    """One curve. path is an SVG polyline's points; kind picks its colour; dots mark single measurements."""

    name: Text | str
    kind: int
    path: str
    dots: tuple[tuple[str, str, str], ...]
    last: str = ""


@dataclass(frozen=True)
class Tick:
    place: str
    text: str


@dataclass(frozen=True)
class BinCounts:
    """How many rows each point of a chart represents. heads: what each bin holds; rows: (curve, a count a bin)."""

    heads: tuple[str, ...]
    rows: tuple[tuple[Text | str, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Chart:
    """mark: the place of an upright line, with its caption. counts: a table below the picture."""

    title: Text | str
    x_name: Text
    lines: tuple[Line, ...]
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    mark: Tick | None = None
    diagonal: str = ""
    width: int = WIDTH
    height: int = HEIGHT
    left: int = LEFT
    right: int = WIDTH - RIGHT
    top: int = TOP
    bottom: int = HEIGHT - BOTTOM
    counts: BinCounts | None = None


def chart(title: Text | str, rows: Sequence[Mapping[str, Any]], names: Mapping[str, Text | str]) -> Chart | None:
    """Curves of the named figures over `step`; names: key in the rows -> what the legend calls it.

    None where no figure has a finite value. Lines with few values get dots, so that single evaluations are seen.
    """
    curves = [(label, _thin(_points(rows, key))) for key, label in names.items()]
    curves = [(label, points) for label, points in curves if points]
    if not curves:
        return None
    everything = [point for _, points in curves for point in points]
    x_ticks = ticks(min(x for x, _ in everything), max(x for x, _ in everything), whole=True)
    y_ticks = ticks(min(y for _, y in everything), max(y for _, y in everything))
    return draw(title, STEP, curves, x_ticks, y_ticks, x_from=min(x for x, _ in everything))


def draw(
    title: Text | str,
    x_name: Text,
    curves: Sequence[tuple[Text | str, Sequence[Point]]],
    x_ticks: Sequence[float],
    y_ticks: Sequence[float],
    x_from: float | None = None,
    mark: float | None = None,
    diagonal: bool = False,
) -> Chart:
    """Curves inside the frame that the ticks span, or from x_from on; mark: the place of an upright line; diagonal:
    a thin line from corner to corner, for what should be equal."""
    x_low = x_ticks[0] if x_from is None else x_from
    x_high = max(x_ticks[-1], max(x for _, points in curves for x, _ in points))

    def place_x(x: float) -> str:
        return f"{scale(x, x_low, x_high, LEFT, WIDTH - RIGHT):.1f}"

    def place_y(y: float) -> str:
        return f"{scale(y, y_ticks[0], y_ticks[-1], HEIGHT - BOTTOM, TOP):.1f}"

    lines = []
    for kind, (label, points) in enumerate(curves):
        path = " ".join(f"{place_x(x)},{place_y(y)}" for x, y in points)
        marked = points if len(points) <= MAX_DOTS else ()
        dots = tuple((place_x(x), place_y(y), f"{x:g}: {y:.4g}") for x, y in marked)
        lines.append(Line(label, kind, path, dots, f"{points[-1][1]:.4g}" if x_name is STEP else ""))
    return Chart(
        title,
        x_name,
        tuple(lines),
        tuple(Tick(place_x(x), f"{x:g}" if x < 1e5 else f"{x / 1000:g}k") for x in x_ticks if x >= x_low),
        tuple(Tick(place_y(y), f"{y:g}") for y in y_ticks),
        mark=None if mark is None else Tick(place_x(mark), f"{mark:.3g}"),
        diagonal=f"{place_x(x_low)},{place_y(y_ticks[0])} {place_x(x_high)},{place_y(y_ticks[-1])}" if diagonal else "",
    )


def _points(rows: Iterable[Mapping[str, Any]], key: str) -> list[Point]:
    points = []
    for row in rows:
        step, value = row.get("step"), row.get(key)
        if _is_number(step) and _is_number(value):
            points.append((float(step), float(value)))
    return points


def _is_number(value: Any) -> TypeGuard[int | float]:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _thin(points: list[Point]) -> list[Point]:
    if len(points) <= MAX_POINTS:
        return points
    stride = (len(points) - 1) / (MAX_POINTS - 1)
    return [points[round(i * stride)] for i in range(MAX_POINTS)]


def ticks(low: float, high: float, whole: bool = False) -> list[float]:
    """Round values that enclose low..high, some four to seven of them."""
    span = (high - low) or abs(high) or 1.0
    step = 10.0 ** math.floor(math.log10(span / 4))
    step *= next(factor for factor in (1, 2, 2.5, 5, 10) if span / (step * factor) <= 5)
    if whole:
        step = max(1.0, math.ceil(step))
    first, last = math.floor(low / step), math.ceil(high / step)
    return [round(i * step, 12) for i in range(first, max(last, first + 1) + 1)]


def scale(value: float, low: float, high: float, to_low: float, to_high: float) -> float:
    """The place between to_low and to_high that value has between low and high."""
    return to_low + (value - low) / ((high - low) or 1.0) * (to_high - to_low)
