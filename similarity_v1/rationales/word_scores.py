"""The scores of one explained row, and the JSONL they are kept in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from final_project import strict_json
from final_project.data.files.contest import read_json_lines, row_id
from final_project.data.records import Rationale, SegmentedPair
from final_project.errors import DataError
from similarity_v1.rationales.selection import Selection, select

UNREAD = {"scores_q": "unread_q", "scores_t": "unread_t"}


@dataclass(frozen=True)
class WordScores:
    """One explained row. probability is P(label 1); one score per given word of each sentence.

    unread_q, unread_t: positions from 0 of the words that the model did not read; they score 0."""

    id: int
    label: int
    probability: float
    scores_q: tuple[float, ...]
    scores_t: tuple[float, ...]
    unread_q: tuple[int, ...] = ()
    unread_t: tuple[int, ...] = ()

    def chosen(self, how: Selection | float) -> Rationale:
        return Rationale(
            self.id, self.label, select(self.scores_q, how, self.unread_q), select(self.scores_t, how, self.unread_t)
        )


def scores_line(row: WordScores) -> str:
    """The line has `unread_q` and `unread_t` only if a word was not read."""
    found = {key: value for key, value in asdict(row).items() if value or key not in UNREAD.values()}
    record = found | {
        "probability": _short(row.probability),
        "scores_q": [_short(score) for score in row.scores_q],
        "scores_t": [_short(score) for score in row.scores_t],
    }
    return strict_json.dumps(record, f"the scores of id {row.id}") + "\n"


def _short(value: float) -> float:
    """Nine significant digits: all that single precision holds."""
    return float(f"{value:.9g}")


def read_scores(path: str | Path, pairs: Sequence[SegmentedPair]) -> list[WordScores]:
    """The word scores that `extract` wrote next to the rationales, in the file's order.

    Raises DataError at the first line that is damaged: an id that the pairs lack, a label other than 0 and 1, not one
    finite number per word, unread positions outside the words."""
    by_id = {pair.id: pair for pair in pairs}
    rows: list[WordScores] = []
    for line, record in read_json_lines(path):
        for key in ("id", "label", "probability", "scores_q", "scores_t"):
            if key not in record:
                raise DataError(path, f"missing key {key!r}", line)
        pair = by_id.get(row_id(path, line, record["id"]))
        if pair is None:
            raise DataError(path, f"unknown id {record['id']}: it is not in the pairs file", line)
        label, probability = record["label"], record["probability"]
        if isinstance(label, bool) or not isinstance(label, int) or label not in (0, 1):
            raise DataError(path, f"label must be 0 or 1, found {label!r}", line)
        if isinstance(probability, bool) or not isinstance(probability, int | float) or not 0 <= probability <= 1:
            raise DataError(path, f"probability must be a number from 0 to 1, found {probability!r}", line)
        sides = {"scores_q": len(pair.words_q), "scores_t": len(pair.words_t)}
        scores_q, scores_t = (_numbers(path, line, key, record[key], n_words) for key, n_words in sides.items())
        unread_q, unread_t = (
            _unread_positions(path, line, UNREAD[key], record, n_words) for key, n_words in sides.items()
        )
        rows.append(WordScores(pair.id, label, float(probability), scores_q, scores_t, unread_q, unread_t))
    return rows


def _unread_positions(
    path: str | Path, line: int, key: str, record: Mapping[str, Any], n_words: int
) -> tuple[int, ...]:
    """Raises DataError where a record's `unread_q` or `unread_t`, which it may lack, are no positions of words."""
    value = record.get(key, [])
    if not isinstance(value, list) or any(isinstance(x, bool) or not isinstance(x, int) for x in value):
        raise DataError(path, f"{key} must be a list of positions, found {strict_json.dumps(value)[:40]}", line)
    outside = [place for place in value if not 0 <= place < n_words]
    if outside:
        raise DataError(path, f"{key}: expected positions from 0 to {n_words - 1}, found {outside[0]}", line)
    return tuple(value)


def _numbers(path: str | Path, line: int, key: str, value: Any, n_words: int) -> tuple[float, ...]:
    if not isinstance(value, list) or any(isinstance(x, bool) or not isinstance(x, int | float) for x in value):
        raise DataError(path, f"{key} must be a list of numbers, found {strict_json.dumps(value)[:40]}", line)
    if len(value) != n_words:
        raise DataError(path, f"{key}: expected {n_words} scores, one a word, found {len(value)}", line)
    try:
        return tuple(map(float, value))
    except OverflowError as error:
        raise DataError(path, f"{key}: expected numbers that a float holds, found a larger one", line) from error
