"""The contest's JSONL: `id, query, title, text_q_seg, text_t_seg`, one row a line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from final_project import strict_json
from final_project.artifacts import write_atomic
from final_project.data.files.lines import json_fault, read_lines
from final_project.data.records import SegmentedPair
from final_project.data.texts import why_no_text
from final_project.errors import DataError

MAX_ID_DIGITS = 18  # what 64 bits hold, and what a submission may say


def read_json_lines(path: str | Path) -> list[tuple[int, dict[str, Any]]]:
    """`iter_json_lines` as a list."""
    return list(iter_json_lines(path))


def iter_json_lines(path: str | Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line number, object) of every line of a JSONL file; raises DataError on anything but one object a line."""
    for number, text in read_lines(path):
        yield number, parse_object(path, number, text)


def parse_object(path: str | Path, line: int, text: str) -> dict[str, Any]:
    """The JSON object that a text is; raises DataError where it is anything else, has a key twice, or a number that is
    not finite: Python writes NaN and Infinity, which JSON does not know."""
    try:
        row = strict_json.loads(text, object_pairs_hook=_once)
    except (ValueError, RecursionError) as error:
        raise DataError(path, json_fault(error), line) from error
    if not isinstance(row, dict):
        raise DataError(path, f"expected a JSON object, found a {type(row).__name__}", line)
    return row


def _once(items: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(items)
    if len(row) < len(items):
        keys = [key for key, _ in items]
        twice = next(key for at, key in enumerate(keys) if key in keys[:at])
        raise json.JSONDecodeError(f"key {twice[:30]!r} twice", "", 0)
    return row


def read_segmented(path: str | Path) -> list[SegmentedPair]:
    """The rows of a contest file, as `iter_segmented` finds them."""
    return [row for _, row in iter_segmented(path)]


def iter_segmented(path: str | Path) -> Iterator[tuple[int, SegmentedPair]]:
    """(line number, row) of a contest file. Raises DataError with file and line on a missing key, a wrong type, an
    empty sentence, a duplicate id, or words that do not join to their sentence (white space aside)."""
    seen: dict[int, int] = {}
    for line, row in iter_json_lines(path):
        pair = segmented_pair(path, line, row)
        if pair.id in seen:
            raise DataError(path, f"duplicate id {pair.id}; the first is at line {seen[pair.id]}", line)
        seen[pair.id] = line
        yield line, pair


def segmented_pair(path: str | Path, line: int, row: dict[str, Any]) -> SegmentedPair:
    """The record that a JSON object spells; raises DataError as `iter_segmented` does, duplicate ids aside."""
    for key in ("id", "query", "title", "text_q_seg", "text_t_seg"):
        if key not in row:
            raise DataError(path, f"missing key {key!r}", line)
    return SegmentedPair(
        id=row_id(path, line, row["id"]),
        query=_sentence(path, line, "query", row["query"]),
        title=_sentence(path, line, "title", row["title"]),
        words_q=_words(path, line, "text_q_seg", row["text_q_seg"], row["query"]),
        words_t=_words(path, line, "text_t_seg", row["text_t_seg"], row["title"]),
    )


def write_json_lines(path: str | Path, records: Iterable[dict[str, Any]]) -> int:
    """Write one JSON object a line; returns the number of lines."""
    count = 0
    with write_atomic(path) as file:
        for record in records:
            file.write(strict_json.dumps(record, str(path), ensure_ascii=False) + "\n")
            count += 1
    return count


def write_segmented(path: str | Path, rows: Iterable[SegmentedPair]) -> int:
    """Write contest JSONL; returns the number of rows."""
    records = (
        {
            "id": row.id,
            "query": row.query,
            "title": row.title,
            "text_q_seg": list(row.words_q),
            "text_t_seg": list(row.words_t),
        }
        for row in rows
    )
    return write_json_lines(path, records)


def row_id(path: str | Path, line: int, value: Any) -> int:
    """An id as an integer; digits in a string count, as mirrors of the files have them."""
    if isinstance(value, str) and value.strip().isascii() and value.strip().isdigit():
        value = int((value.strip().lstrip("0") or "0")[: MAX_ID_DIGITS + 1])
    if isinstance(value, bool) or not isinstance(value, int):
        raise DataError(path, f"id must be an integer, found {value!r}", line)
    if abs(value) >= 10**MAX_ID_DIGITS:
        raise DataError(path, f"id must have at most {MAX_ID_DIGITS} digits, found more", line)
    return value


def _sentence(path: str | Path, line: int, key: str, value: Any) -> str:
    if fault := why_no_text(value):
        raise DataError(path, f"{key} {fault}", line)
    return value


def _words(path: str | Path, line: int, key: str, value: Any, sentence: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(word, str) for word in value):
        raise DataError(path, f"{key} must be a list of strings", line)
    if not value:
        raise DataError(path, f"{key} is empty", line)
    if without_spaces("".join(value)) != without_spaces(sentence):
        raise DataError(
            path, f"{key} does not join to its sentence: {''.join(value)[:40]!r} against {sentence[:40]!r}", line
        )
    return tuple(value)


def without_spaces(text: str) -> str:
    return "".join(text.split())
