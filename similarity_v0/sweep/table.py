"""The table at the end of a sweep: each variant's mean and deviation over seeds, and how sure its difference is.

Two tests, since there are two kinds of chance. Would other seeds say the same? Student's paired t-test of the
differences to the base, seed by seed. Would another dev set say the same? A bootstrap over the dev pairs (Efron 1979)
of the mean difference in right decisions; a pair is drawn with the decisions of all seeds, which depend on each other.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from final_project.artifacts import write_atomic, write_json, write_text
from similarity_v0.sweep.runner import TrialResult
from similarity_v0.sweep.spec import BASE, Settings, Sweep

RESAMPLES = 2000
TAILS = (0.025, 0.975)


@dataclass(frozen=True)
class Row:
    """One variant. mean, deviation: of the metric on dev over its seeds. difference: to the base, over the seeds that
    both have. t_p: the paired t-test's two-sided p. holm_p: the same, corrected for the number of variants (Holm 1979).
    pairs_low, pairs_high: 95 % interval of the difference in right decisions over dev pairs. others: means of further
    figures. time: training seconds over the base's. None where it cannot be computed."""

    variant: str
    settings: Settings
    seeds: tuple[int, ...]
    mean: float | None = None
    deviation: float | None = None
    difference: float | None = None
    t_p: float | None = None
    holm_p: float | None = None
    pairs_low: float | None = None
    pairs_high: float | None = None
    others: Mapping[str, float] | None = None
    time: float | None = None


def compare_variants(outcomes: Sequence[TrialResult], metric: str) -> list[Row]:
    """The base first, then the variants in order of appearance. Raises ArtifactError where dev has no such figure."""
    by_variant: dict[str, list[TrialResult]] = {}
    for outcome in outcomes:
        by_variant.setdefault(outcome.trial.variant, []).append(outcome)
    base = {outcome.trial.seed: outcome for outcome in by_variant.get(BASE, ()) if outcome.scores}
    rows = [_row(variant, tried, base, metric) for variant, tried in by_variant.items()]
    corrected = holm([row.t_p for row in rows])
    return [replace(row, holm_p=p) for row, p in zip(rows, corrected, strict=True)]


def _row(variant: str, tried: list[TrialResult], base: dict[int, TrialResult], metric: str) -> Row:
    finished = [outcome for outcome in tried if outcome.scores]
    row = Row(variant, tried[0].trial.settings, tuple(outcome.trial.seed for outcome in finished))
    if not finished:
        return row
    values = [outcome.dev(metric) for outcome in finished]
    row = replace(
        row, mean=float(np.mean(values)), deviation=deviation(values), others=_other_figures(finished, metric)
    )
    couples = [(outcome, base[outcome.trial.seed]) for outcome in finished if outcome.trial.seed in base]
    if variant == BASE or not couples:
        return row
    differences = [ours.dev(metric) - theirs.dev(metric) for ours, theirs in couples]
    low, high = interval_over_pairs(couples) if metric == "accuracy" else (None, None)
    base_s = sum(theirs.train_s for _, theirs in couples)
    return replace(
        row, difference=float(np.mean(differences)), t_p=paired_t(differences), pairs_low=low, pairs_high=high,
        time=sum(ours.train_s for ours, _ in couples) / base_s if base_s else None,
    )  # fmt: skip


def _other_figures(finished: list[TrialResult], metric: str) -> dict[str, float]:
    """Means of what every trial of the variant has: `split figure` -> value."""
    scores = [outcome.scores for outcome in finished if outcome.scores]
    wanted = [("dev", "f1"), ("dev", "loss"), ("test", "accuracy"), ("test", "f1")]
    return {
        f"{split} {figure}": float(np.mean([of_trial[split][figure] for of_trial in scores]))
        for split, figure in wanted
        if (split, figure) != ("dev", metric) and all(figure in of_trial.get(split, {}) for of_trial in scores)
    }


def deviation(values: Sequence[float]) -> float | None:
    """The sample's standard deviation; None for fewer than two values."""
    return float(np.std(values, ddof=1)) if len(values) > 1 else None


def paired_t(differences: Sequence[float]) -> float | None:
    """Two-sided p of Student's paired t-test; None for fewer than two pairs, or where all differ by the same."""
    from scipy.stats import ttest_1samp

    if len(differences) < 2 or np.ptp(differences) == 0:
        return None
    return float(ttest_1samp(differences, 0.0).pvalue)


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's correction: the chance that any of these differences would look so large where none is real."""
    known = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, place) in enumerate(known):
        highest = max(highest, min(1.0, p * (len(known) - rank)))
        corrected[place] = highest
    return corrected


def interval_over_pairs(couples: Sequence[tuple[TrialResult, TrialResult]]) -> tuple[float | None, float | None]:
    """95 % percentile interval of the mean over seeds and pairs of (ours right) - (theirs right)."""
    gains = []
    for ours, theirs in couples:
        if ours.right_N is None or theirs.right_N is None:
            return None, None
        gains.append(ours.right_N.astype(float) - theirs.right_N)
    return bootstrap_mean_gain(np.mean(gains, axis=0))


def bootstrap_mean_gain(gain_N: np.ndarray) -> tuple[float, float]:
    """95 % bootstrap percentile interval of the mean gain of N pairs."""
    # pairs of the same gain are drawn alike, so it is enough to draw how many there are of each
    gains, counts = np.unique(gain_N, return_counts=True)
    draws = np.random.default_rng(0).multinomial(len(gain_N), counts / len(gain_N), size=RESAMPLES)
    low, high = np.quantile(draws @ gains / len(gain_N), TAILS)
    return float(low), float(high)


def write_tables(sweep: Sweep, outcomes: Sequence[TrialResult]) -> str:
    """results.json, results.csv (a row a trial) and results.md in the sweep's folder; returns the last."""
    rows = compare_variants(outcomes, sweep.metric)
    table = markdown(sweep, rows, [outcome for outcome in outcomes if outcome.problem])
    trials = [_trial_record(outcome) for outcome in outcomes]
    facts = {"sweep": sweep.name, "recipe": sweep.recipe_name, "metric": sweep.metric, "seeds": sweep.seeds}
    write_json(sweep.folder / "results.json", {**facts, "rows": [asdict(row) for row in rows], "trials": trials})
    with write_atomic(sweep.folder / "results.csv") as file:
        writer = csv.DictWriter(
            file, list(dict.fromkeys(key for trial in trials for key in trial)), lineterminator="\n"
        )
        writer.writeheader()
        writer.writerows(trials)
    write_text(sweep.folder / "results.md", table)
    return table


def _trial_record(outcome: TrialResult) -> dict[str, Any]:
    trial = outcome.trial
    record = {"trial": trial.name, "variant": trial.variant, "seed": trial.seed, "problem": outcome.problem}
    record |= trial.settings
    figures = {f"{split}_{key}": value for split, of in (outcome.scores or {}).items() for key, value in of.items()}
    return record | figures | {"train_seconds": outcome.train_s}


def markdown(sweep: Sweep, rows: Sequence[Row], failed: Sequence[TrialResult]) -> str:
    others = list(dict.fromkeys(name for row in rows for name in row.others or ()))
    heads = ["variant", "seeds", f"dev {sweep.metric}", "± over seeds", "to base", "p", "p (Holm)",
             "95 % over dev pairs", *others, "time"]  # fmt: skip
    lines = [f"# {sweep.name}: variants of {sweep.recipe_name}", "", _line(heads)]
    lines += [_line(["---", *["---:"] * (len(heads) - 1)])]
    lines += [_line(_cells(row, others)) for row in rows]
    lines += [
        "",
        "to base: mean difference over the seeds that both have. p: Student's paired t-test over seeds; p (Holm): the",
        "same, corrected for the number of variants. 95 %: interval of the difference in right decisions, dev pairs",
        f"drawn anew {RESAMPLES:,} times. time: training seconds over the base's.",
    ]
    settings = [f"- {row.variant}: {_format_settings(row.settings)}" for row in rows if row.settings]
    problems = [f"- {outcome.trial.name} failed: {outcome.problem}" for outcome in failed]
    for part in (settings, problems):
        lines += ["", *part] if part else []
    return "\n".join(lines) + "\n"


def _cells(row: Row, others: Sequence[str]) -> Iterable[str]:
    over_pairs = "" if row.pairs_low is None else f"{row.pairs_low:+.4f} to {row.pairs_high:+.4f}"
    cells = [row.variant, str(len(row.seeds)), _number(row.mean), _number(row.deviation)]
    cells += [_number(row.difference, "+.4f"), _number(row.t_p, ".3f"), _number(row.holm_p, ".3f"), over_pairs]
    return [*cells, *(_number((row.others or {}).get(name)) for name in others), _number(row.time, ".2f")]


def _line(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _number(value: float | None, form: str = ".4f") -> str:
    return "" if value is None or math.isnan(value) else format(value, form)


def _format_settings(settings: Settings) -> str:
    return ", ".join(f"{key}={value}" for key, value in settings.items())
