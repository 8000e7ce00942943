"""Explained rows as Arrow tables: what a shard holds, and what the outputs are written from, a few shards at a time.

Columns: id; label; probability, of label 1; and for each sentence (q, t) its words, a score for each of them, and the
positions chosen, most important first. Shards have the positions of the words that the model did not read, too; an
output has them where there are any.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from final_project.artifacts import write_atomic
from final_project.data.records import Rationale, SegmentedPair
from final_project.errors import first_line
from similarity_v1.rationales.selection import Selection
from similarity_v1.rationales.submission import format_row
from similarity_v1.rationales.word_scores import UNREAD, WordScores, scores_line

SCHEMA = pa.schema(
    [
        ("id", pa.int64()),
        ("label", pa.int64()),
        ("probability", pa.float64()),
        ("words_q", pa.list_(pa.string())),
        ("words_t", pa.list_(pa.string())),
        ("scores_q", pa.list_(pa.float64())),
        ("scores_t", pa.list_(pa.float64())),
        ("chosen_q", pa.list_(pa.int32())),
        ("chosen_t", pa.list_(pa.int32())),
        ("unread_q", pa.list_(pa.int32())),
        ("unread_t", pa.list_(pa.int32())),
    ]
)
ROW_GROUP = 16_384  # rows held in memory while the Parquet output is written


def to_table(pairs: Sequence[SegmentedPair], explained: Sequence[WordScores], how: Selection | float) -> pa.Table:
    rows = [
        {
            "id": row.id,
            "label": row.label,
            "probability": row.probability,
            "words_q": pair.words_q,
            "words_t": pair.words_t,
            "scores_q": row.scores_q,
            "scores_t": row.scores_t,
            "chosen_q": chosen.words_q,
            "chosen_t": chosen.words_t,
            "unread_q": row.unread_q,
            "unread_t": row.unread_t,
        }
        for pair, row in zip(pairs, explained, strict=True)
        for chosen in (row.chosen(how),)
    ]
    return pa.Table.from_pylist(rows, schema=SCHEMA)


def parquet_bytes(table: pa.Table) -> bytes:
    file = io.BytesIO()
    pq.write_table(table, file, write_page_checksum=True)
    return file.getvalue()


def problem_of_shard(path: Path, n_rows: int) -> str:
    """Why a shard is not what was written, in words; empty where it is."""
    try:
        found = len(pq.read_table(path, schema=SCHEMA, page_checksum_verification=True))
    except (pa.ArrowException, OSError) as error:
        return first_line(error)
    return "" if found == n_rows else f"it has {found} rows where {n_rows} were explained"


def write_text(output: Path, scores: Path, shards: Iterable[Path]) -> None:
    """The submission's lines, and next to them one JSON line of scores per row."""
    with write_atomic(output) as rationale_file, write_atomic(scores) as scores_file:
        for shard in shards:
            for row in pq.read_table(shard, schema=SCHEMA).to_pylist():
                chosen = Rationale(row["id"], row["label"], row["chosen_q"], row["chosen_t"])
                rationale_file.write(format_row(chosen))
                found = WordScores(**{field.name: row[field.name] for field in fields(WordScores)})
                scores_file.write(scores_line(found))


def write_parquet(output: Path, shards: Iterable[Path]) -> None:
    shards = list(shards)
    names = [name for name in SCHEMA.names if name not in UNREAD.values() or _has_unread(shards)]
    schema = pa.schema([SCHEMA.field(name) for name in names])
    with write_atomic(output, "wb") as file, pq.ParquetWriter(file, schema) as writer:
        for group in _row_groups(shards):
            writer.write_table(group.select(names), row_group_size=len(group))


def _has_unread(shards: Iterable[Path]) -> bool:
    tables = (pq.read_table(shard, columns=list(UNREAD.values())) for shard in shards)
    return any(len(chunk.flatten()) for table in tables for column in table.columns for chunk in column.chunks)


def _row_groups(shards: Iterable[Path]) -> Iterator[pa.Table]:
    held: list[pa.Table] = []
    for shard in shards:
        held.append(pq.read_table(shard, schema=SCHEMA))
        if sum(map(len, held)) >= ROW_GROUP:
            yield pa.concat_tables(held)
            held = []
    if held:
        yield pa.concat_tables(held)
