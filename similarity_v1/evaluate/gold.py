"""Read what predictions are measured against: gold rationales, the pairing of perturbed rows, labels.

Every reader raises DataError with file and line. Positions count from 0.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from final_project.data.files.contest import read_json_lines, row_id, without_spaces
from final_project.data.files.label_reading import LabelReader, first_lines
from final_project.data.files.lines import read_lines
from final_project.data.records import GoldRow, SegmentedPair
from final_project.errors import DataError
from final_project.settings.reading import Labels

SAMPLE_TYPES = ("ori", "disturb")


def read_gold(path: str | Path) -> list[GoldRow]:
    """Gold JSONL: sent_id, sent_label, rationale_q_idx, rationale_t_idx (one list, or a list of lists for several sets
    that are all correct), text_q_seg, text_t_seg; optional sample_type (ori | disturb) and rel_ids."""
    rows: list[GoldRow] = []
    seen: dict[int, int] = {}
    records = read_json_lines(path)
    labels = _label_reader(path, [(line, record.get("sent_label")) for line, record in records], "sent_label")
    for line, record in records:
        for key in ("sent_id", "sent_label", "rationale_q_idx", "rationale_t_idx", "text_q_seg", "text_t_seg"):
            if key not in record:
                raise DataError(path, f"missing key {key!r}", line)
        words_q = _words(path, line, "text_q_seg", record["text_q_seg"])
        words_t = _words(path, line, "text_t_seg", record["text_t_seg"])
        row = GoldRow(
            id=row_id(path, line, record["sent_id"]),
            label=_label(labels, line, record["sent_label"]),
            sets_q=_sets(path, line, "rationale_q_idx", record["rationale_q_idx"], len(words_q)),
            sets_t=_sets(path, line, "rationale_t_idx", record["rationale_t_idx"], len(words_t)),
            words_q=words_q,
            words_t=words_t,
            sample_type=_sample_type(path, line, record.get("sample_type", "ori")),
            rel_ids=_related(path, line, record.get("rel_ids") or []),
        )
        _refuse_duplicate(path, line, row.id, seen)
        rows.append(row)
    return rows


def read_pair_map(path: str | Path) -> list[tuple[int, int]]:
    """JSONL {"ori": id, "disturb": id}: which perturbed row was made from which source row."""
    pairs: list[tuple[int, int]] = []
    seen: dict[int, int] = {}
    for line, record in read_json_lines(path):
        for key in ("ori", "disturb"):
            if key not in record:
                raise DataError(path, f"missing key {key!r}", line)
        source, perturbed = (row_id(path, line, record[key]) for key in ("ori", "disturb"))
        _refuse_duplicate(path, line, perturbed, seen)
        pairs.append((source, perturbed))
    return pairs


def read_labels(path: str | Path) -> dict[int, int]:
    """`id<TAB>label` or `id,label`, one row a line; a first line without an id is skipped as a header."""
    found: dict[int, tuple[int, str]] = {}
    seen: dict[int, int] = {}
    for line, text in read_lines(path):
        columns = text.split("\t") if "\t" in text else text.split(",")
        if len(columns) != 2:
            raise DataError(path, f"expected 2 columns, id and label, found {len(columns)}", line)
        identifier, label = (column.strip() for column in columns)
        if line == 1 and not re.fullmatch(r"-?[0-9]+", identifier):
            continue
        if not re.fullmatch(r"-?[0-9]{1,18}", identifier):
            raise DataError(path, f"id must be an integer, found {identifier[:40]!r}", line)
        _refuse_duplicate(path, line, int(identifier), seen)
        found[int(identifier)] = line, label
    if not found:
        raise DataError(path, "the file holds no labels")
    reader = _label_reader(path, [*found.values()], "label")
    return {id_: _label(reader, line, label) for id_, (line, label) in found.items()}


def require_known_ids(path: str | Path, ids: Iterable[int], known: Mapping[int, Any], where: str) -> None:
    """Raise DataError with the count and the first of the ids that are not known."""
    ids = list(ids)
    unknown = [id_ for id_ in ids if id_ not in known]
    if unknown:
        raise DataError(path, f"{len(unknown)} of {len(ids)} ids are not in {where}; the first is {unknown[0]}")


def require_same_words(path: str | Path, gold: Sequence[GoldRow], pairs: Mapping[int, SegmentedPair]) -> None:
    """Raise DataError if gold rows are segmented differently from the pairs: their positions would not match."""
    differing = [row.id for row in gold if not _same_words(row, pairs[row.id])]
    if differing:
        raise DataError(
            path,
            f"{len(differing)} of {len(gold)} rows are segmented differently from the pairs; the first id is "
            f"{differing[0]}",
        )


def _same_words(row: GoldRow, pair: SegmentedPair) -> bool:
    sides = ((row.words_q, pair.words_q), (row.words_t, pair.words_t))
    return all([*map(without_spaces, ours)] == [*map(without_spaces, theirs)] for ours, theirs in sides)


def _refuse_duplicate(path: str | Path, line: int, id_: int, seen: dict[int, int]) -> None:
    if id_ in seen:
        raise DataError(path, f"duplicate id {id_}; the first is at line {seen[id_]}", line)
    seen[id_] = line


def _words(path: str | Path, line: int, key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not value or not all(isinstance(word, str) for word in value):
        raise DataError(path, f"{key} must be a list of strings that is not empty", line)
    return tuple(value)


def _label_reader(path: str | Path, values: list[tuple[int, Any]], what: str) -> LabelReader:
    return LabelReader(Path(path), Labels(), lambda: first_lines(values), what=what)


def _label(reader: LabelReader, line: int, value: Any) -> int:
    label = reader.read(line, value)
    if label is None:
        raise DataError(reader.path, f"{reader.what} must be {reader.expected}, found {value!r}", line)
    return label


def _sample_type(path: str | Path, line: int, value: Any) -> str:
    if value not in SAMPLE_TYPES:
        raise DataError(path, f"sample_type must be ori or disturb, found {value!r}", line)
    return value


def _related(path: str | Path, line: int, value: Any) -> tuple[int, ...]:
    if not isinstance(value, list):
        raise DataError(path, f"rel_ids must be a list of ids, found {value!r}", line)
    return tuple(row_id(path, line, related) for related in value)


def _sets(path: str | Path, line: int, key: str, value: Any, n_words: int) -> tuple[tuple[int, ...], ...]:
    if not isinstance(value, list):
        raise DataError(path, f"{key} must be a list of positions, or a list of such lists", line)
    sets = value if value and isinstance(value[0], list) else [value]
    for gold in sets:
        for index in gold if isinstance(gold, list) else [gold]:
            if isinstance(index, bool) or not isinstance(index, int):
                raise DataError(path, f"{key} must hold integers, found {str(index)[:40]!r}", line)
            if not 0 <= index < n_words:
                raise DataError(path, f"{key}: index {index} is out of range: there are {n_words} words", line)
    if not all(isinstance(gold, list) for gold in sets):
        raise DataError(path, f"{key} mixes positions and lists of positions", line)
    return tuple(tuple(gold) for gold in sets)
