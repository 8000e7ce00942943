"""Draw the pictures of RESULTS from its result files: accuracy against minutes, what a change or post-training gives.

    python docs/result_pictures.py          writes docs/results_{curve,ablation,posttraining}.png

Reads docs/results/lcqmc_curve.json, a list of {name, minutes, dev_accuracy} (points of one name are joined),
docs/results/ablation.json, the results.json of a sweep, and docs/results/posttraining_helps.json, that bench's; each
picture is drawn if its file exists. Black on white; shapes and words, not colours. matplotlib comes with captum.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
from matplotlib import pyplot
from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

DOCS = Path(__file__).resolve().parent
BASE = "base"
SURE = 0.05  # of Holm's corrected p
INTERVAL_GREY = "0.6"
SHAPES = "osD^vPX*h<>d"
LINES = ("-", "--", ":", "-.")
STYLE = {
    "font.size": 10, "axes.spines.top": False, "axes.spines.right": False, "axes.grid": True, "grid.color": "0.88",
    "axes.axisbelow": True, "savefig.dpi": 160,
}  # fmt: skip


def draw_curve(points: Sequence[Mapping[str, Any]], path: Path) -> None:
    """Dev accuracy against minutes, all stages included, on a logarithmic axis."""
    by_name: dict[str, list[tuple[float, float]]] = {}
    for point in points:
        by_name.setdefault(point["name"], []).append((point["minutes"], point["dev_accuracy"]))
    figure, axes = pyplot.subplots(figsize=(6.4, 4.4), layout="constrained")
    for k, (name, found) in enumerate(by_name.items()):
        minutes, accuracies = zip(*sorted(found), strict=True)
        axes.plot(
            minutes, accuracies, color="black", markersize=6, label=name,
            linestyle=LINES[k % len(LINES)] if len(found) > 1 else "none",
            marker=SHAPES[k % len(SHAPES)], markerfacecolor="white" if k % 2 else "black",
        )  # fmt: skip
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda minutes, _: f"{minutes:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.set(xlabel="minutes", ylabel="accuracy on LCQMC dev")
    figure.legend(loc="outside lower center", ncols=3, frameon=False)
    _save(figure, path)


def draw_posttraining(bench: Mapping[str, Any], path: Path) -> None:
    """Left the perplexity of held-out text, right accuracy on dev after post-training and without; a line a seed."""
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(6.4, 3.4), layout="constrained")
    for (name, seeds), line, face in zip(bench["runs"].items(), LINES, ("black", "white"), strict=False):
        drawn = {"color": "black", "linestyle": line, "marker": "o", "markersize": 4, "markerfacecolor": face}
        for k, curves in enumerate(seeds.values()):
            label = {} if k else {"label": name}
            right.plot(*_by_update(curves["dev_accuracy"]), **drawn, **label)
            if len(curves["held_out_perplexity"]) > 1:  # at random there is nothing but the start
                left.plot(*_by_update(curves["held_out_perplexity"]), **drawn)
    left.set_yscale("log")
    left.set(xlabel="updates of post-training", ylabel="perplexity of held-out text")
    right.set(xlabel="updates of fine-tuning", ylabel="accuracy on LCQMC dev")
    right.legend(frameon=False)
    _save(figure, path)


def _by_update(curve: Mapping[str, float]) -> tuple[list[int], list[float]]:
    return [int(update) for update in curve], list(curve.values())


def draw_ablation(sweep: Mapping[str, Any], path: Path) -> None:
    """Each variant's difference to the base: mean (filled where Holm's p is below 0.05), 95 % interval over dev pairs
    as a bar, single seeds as ticks. The best on top."""
    rows = [row for row in sweep["rows"] if row["difference"] is not None]
    rows.sort(key=lambda row: row["difference"])
    seeds = _differences_by_seed(sweep)
    figure, axes = pyplot.subplots(figsize=(6.4, 1.4 + 0.24 * len(rows)), layout="constrained")
    for height, row in enumerate(rows):
        _draw_row(axes, height, row, seeds.get(row["variant"], []))
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(rows)), [row["variant"] for row in rows])
    axes.set_ylim(-0.8, len(rows) - 0.2)
    axes.grid(axis="y", visible=False)
    axes.set_xlabel(f"dev {sweep['metric']}, difference to the base")
    axes.plot([], [], "o", color="black", label=f"p (Holm) < {SURE}")
    axes.plot([], [], "o", color="black", markerfacecolor="white", label="not so sure")
    axes.plot([], [], "|", color="black", label="one seed")
    axes.plot([], [], color=INTERVAL_GREY, linewidth=3, label="95 % over dev pairs")
    figure.legend(loc="outside lower center", ncols=4, frameon=False)
    _save(figure, path)


def _differences_by_seed(sweep: Mapping[str, Any]) -> dict[str, list[float]]:
    measured = f"dev_{sweep['metric']}"
    trials = [trial for trial in sweep["trials"] if trial.get(measured) is not None]
    base = {trial["seed"]: trial[measured] for trial in trials if trial["variant"] == BASE}
    differences: dict[str, list[float]] = {}
    for trial in trials:
        if trial["seed"] in base:
            differences.setdefault(trial["variant"], []).append(trial[measured] - base[trial["seed"]])
    return differences


def _draw_row(axes: Axes, height: int, row: Mapping[str, Any], seeds: Sequence[float]) -> None:
    if row["pairs_low"] is not None:
        axes.plot([row["pairs_low"], row["pairs_high"]], [height, height], color=INTERVAL_GREY, linewidth=3, zorder=1)
    axes.plot(seeds, [height] * len(seeds), "|", color="black", markersize=7, zorder=2)
    is_sure = row["holm_p"] is not None and row["holm_p"] < SURE
    axes.plot(row["difference"], height, "o", color="black", markerfacecolor="black" if is_sure else "white", zorder=3)


def _save(figure: Any, path: Path) -> None:
    figure.savefig(path, metadata={"Software": None})  # the same figures give the same bytes
    pyplot.close(figure)
    print(f"{path}: {path.stat().st_size:,} bytes")


PICTURES: dict[str, tuple[str, Callable[[Any, Path], None]]] = {
    "lcqmc_curve.json": ("results_curve.png", draw_curve),
    "ablation.json": ("results_ablation.png", draw_ablation),
    "posttraining_helps.json": ("results_posttraining.png", draw_posttraining),
}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=DOCS / "results", help="folder of the result files")
    parser.add_argument("--output-dir", type=Path, default=DOCS, help="where the pictures go")
    wanted = parser.parse_args(arguments)
    found = [name for name in PICTURES if (wanted.results / name).is_file()]
    if not found:
        print(f"{wanted.results}: expected {' or '.join(PICTURES)}, found none", file=sys.stderr)
        return 2
    for name in found:
        picture, draw = PICTURES[name]
        try:
            with matplotlib.rc_context(STYLE):
                draw(json.loads((wanted.results / name).read_text(encoding="utf-8")), wanted.output_dir / picture)
        except (KeyError, TypeError, ValueError) as error:
            print(f"{wanted.results / name}: not as this script's help says: {error!r}", file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
