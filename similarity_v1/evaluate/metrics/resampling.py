"""How sure is a figure, and is one system better than another? By drawing rows again; no distribution is assumed.

interval       percentile bootstrap (Efron and Tibshirani, 1993, chapter 13): rows are drawn with replacement
paired test    the bootstrap interval of the difference on the same rows, and approximate randomisation (Noreen, 1989):
               with what probability would two systems, whose answers are swapped row by row by the toss of a coin,
               differ as much as these do?

Everything is seeded: the same rows give the same bounds. Shapes: R draws, U rows, K numbers a row (see `values`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from similarity_v1.evaluate.metrics.values import Values

N_DRAWS = 1000
LEVEL = 0.95
SEED = 2022
BLOCK_CELLS = 4_000_000  # of one (draws, rows) block of counts

Interval = tuple[float, float]


@dataclass(frozen=True)
class Comparison:
    """The first system's figure less the second's on the rows that both have; p_value is two-sided."""

    difference: float
    interval: Interval
    p_value: float
    rows: int


def intervals(figures: Mapping[str, Values]) -> dict[str, Interval]:
    """The percentile interval of each figure. Figures over the same rows share their draws."""
    found: dict[str, Interval] = {}
    for ids in dict.fromkeys(values.ids_U for values in figures.values()):
        names = [name for name, values in figures.items() if values.ids_U == ids]
        if not ids:
            found |= dict.fromkeys(names, (0.0, 0.0))
            continue
        stacked_UK = np.concatenate([figures[name].values_UK for name in names], axis=1)
        means_RK = np.concatenate([n_RU @ stacked_UK / len(ids) for n_RU in _drawn_rows(len(ids), N_DRAWS)])
        taken = 0
        for name in names:
            width = figures[name].values_UK.shape[1]
            found[name] = _percentiles(figures[name].of_means(means_RK[:, taken : taken + width]))
            taken += width
    return {name: found[name] for name in figures}


def compare(first: Values, second: Values) -> Comparison:
    """Both systems on the rows that both have figures for."""
    place = {id_: row for row, id_ in enumerate(second.ids_U)}
    rows = [row for row, id_ in enumerate(first.ids_U) if id_ in place]
    if not rows:
        return Comparison(0.0, (0.0, 0.0), 1.0, 0)
    a_UK, b_UK = first.values_UK[rows], second.values_UK[[place[first.ids_U[row]] for row in rows]]

    def difference(means_a_RK: np.ndarray, means_b_RK: np.ndarray) -> np.ndarray:
        return first.of_means(means_a_RK) - second.of_means(means_b_RK)

    found = float(difference(a_UK.mean(axis=0, keepdims=True), b_UK.mean(axis=0, keepdims=True))[0])
    drawn = [difference(n_RU @ a_UK / len(rows), n_RU @ b_UK / len(rows)) for n_RU in _drawn_rows(len(rows), N_DRAWS)]
    return Comparison(found, _percentiles(np.concatenate(drawn)), _p_value(found, a_UK, b_UK, difference), len(rows))


def _p_value(
    found: float, a_UK: np.ndarray, b_UK: np.ndarray, difference: Callable[[np.ndarray, np.ndarray], np.ndarray]
) -> float:
    """The share of random swaps that differ at least as much, the observed one counted among them."""
    total_K = (a_UK + b_UK).mean(axis=0)
    swapped = []
    for coins_RU in _coins(len(a_UK), N_DRAWS):
        means_a_RK = (coins_RU @ (a_UK - b_UK) + b_UK.sum(axis=0)) / len(a_UK)
        swapped.append(difference(means_a_RK, total_K - means_a_RK))
    as_much = np.abs(np.concatenate(swapped)) >= abs(found) - 1e-12
    return float((as_much.sum() + 1) / (N_DRAWS + 1))


def _drawn_rows(n_rows: int, n_draws: int) -> Iterator[np.ndarray]:
    """Blocks of (R, U) counts: how often each row was drawn among n_rows."""
    chance = np.random.default_rng(SEED)
    for n_block in _blocks(n_rows, n_draws):
        drawn_RU = chance.integers(n_rows, size=(n_block, n_rows)) + np.arange(n_block)[:, None] * n_rows
        counts = np.bincount(drawn_RU.reshape(-1), minlength=n_block * n_rows)
        yield counts.reshape(n_block, n_rows).astype(float)


def _coins(n_rows: int, n_draws: int) -> Iterator[np.ndarray]:
    chance = np.random.default_rng(SEED)
    for n_block in _blocks(n_rows, n_draws):
        yield chance.integers(2, size=(n_block, n_rows), dtype=np.int8).astype(float)


def _blocks(n_rows: int, n_draws: int) -> Iterator[int]:
    size = max(1, BLOCK_CELLS // n_rows)
    for start in range(0, n_draws, size):
        yield min(size, n_draws - start)


def _percentiles(figures_R: np.ndarray) -> Interval:
    low, high = np.percentile(figures_R, [50 * (1 - LEVEL), 50 * (1 + LEVEL)])
    return float(low), float(high)
