"""The scores of one explained row, and the JSONL they are kept in."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class WordScores:
    """One explained row. probability is P(label 1); one score per given word of each sentence."""

    id: int
    label: int
    probability: float
    scores_q: tuple[float, ...]
    scores_t: tuple[float, ...]


def scores_line(row: WordScores) -> str:
    record = asdict(row) | {
        "probability": _short(row.probability),
        "scores_q": [_short(score) for score in row.scores_q],
        "scores_t": [_short(score) for score in row.scores_t],
    }
    return json.dumps(record) + "\n"


def _short(value: float) -> float:
    """Nine significant digits: all that single precision holds."""
    return float(f"{value:.9g}")
