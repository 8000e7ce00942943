"""Seeds, mutations and plain readings for the fuzz of all formats: json, csv, zlib and split on the whole file, and
nothing of the project's readers."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import unicodedata

from test_corpora_fuzz import MUTATIONS, PIECES, bytes_of, text_of

from final_project.data.records import Pair, SegmentedPair

WORDS = SegmentedPair(1, "怎么 退货", "如何退掉", ("怎么", "退货"), ("如何", "退", "掉"))
CONTEST = [WORDS, SegmentedPair(2, "你好", "您好", ("你好",), ("您", "好"))]
TSV = "怎么退货\t如何退掉商品\t1\n多少钱\t贵吗\t0\n{花呗}\t[借呗]\t1\n"
SUBMISSION = "1\t1\t1,0\t2,0,1\n2\t0\t0\t1,0\n"
MORE = [
    "\r",
    "query\ttitle\n",
    "text_a\ttext_b\tlabel\n",
    "NaN",
    "Infinity",
    "1e999",
    "_",
    "１",
    "PAR1",
    "\ufeff",
    "-0",
]


def contest_lines(rows):
    names = ("id", "query", "title", "text_q_seg", "text_t_seg")
    values = ((row.id, row.query, row.title, list(row.words_q), list(row.words_t)) for row in rows)
    return "".join(json.dumps(dict(zip(names, row, strict=True)), ensure_ascii=False) + "\n" for row in values)


def keyed(first, second, **more):
    return "".join(
        json.dumps({first: a, second: b, **more}, ensure_ascii=False) + "\n" for a, b in (("甲", "乙\n"), ("😀", '"丁'))
    )


SEEDS = {
    "tsv": [TSV, "text_a\ttext_b\tlabel\n" + TSV, "query\ttitle\n甲\t乙\n丙\t丁\n", "甲\t乙\n丙\t丁\n"],
    "csv": [
        "sentence1,sentence2,label\n怎么退货,如何退掉商品,1\n\"多\r\n \n少\",\"贵,\"\"吗\",0\n",
        "label,Text A,Text B,id\r\n1,甲,\"乙\n\",7\r\n0,丙,丁,8\r\n",
        "query,title\n甲,乙\n丙,丁\n",
    ],
    "jsonl": [keyed("sentence1", "sentence2", label=1), keyed("query", "title"), keyed("text1", "text2", id=7)],
    "contest": [contest_lines(CONTEST)],
    "predictions": ["row,probability,label\n0,0.250000000,0\n1,1.000000000,1\n", "id,probability\n7,0.5\n8,1e-3\n"],
    "scores": [
        "".join(
            json.dumps({"id": row.id, "label": 1, "probability": 0.5, "scores_q": [0.5] * len(row.words_q),
                        "scores_t": [-1e-3] * len(row.words_t)}) + "\n"
            for row in CONTEST
        )
    ],
    "gold": [
        "".join(
            json.dumps({"sent_id": row.id, "sent_label": 1, "rationale_q_idx": [[0]], "rationale_t_idx": [0, 1],
                        "text_q_seg": row.words_q, "text_t_seg": row.words_t, "rel_ids": [2]}) + "\n"
            for row in CONTEST
        )
    ],
    "submission": [SUBMISSION],
}  # fmt: skip


def mutated(text: str, rng: random.Random) -> bytes:
    for _ in range(rng.randint(1, 3)):
        piece = rng.choice([*PIECES, *MORE, chr(rng.randrange(0x250)), text_of(rng.randbytes(2))])
        if rng.random() < 0.1:
            piece = rng.choice([piece[:1], '\\"', "\\n", "\\ud83d", "\\u0000"])
        text = rng.choice(MUTATIONS)(text, rng.randrange(len(text) + 1), piece, rng.randint(1, 12))
    return bytes_of(text)


def mutated_bytes(content: bytes, rng: random.Random) -> bytes:
    raw = bytearray(content)
    for _ in range(rng.randint(1, 4)):
        place = rng.randrange(len(raw))
        length = rng.choice([1, 1, 1, 2, 4, 20])
        new = rng.choice(
            [rng.randbytes(length), bytes(length), b"\xff" * length, bytes([raw[place] ^ (1 << rng.randrange(8))])]
        )
        kind = rng.random()
        if kind < 0.7:
            raw[place : place + len(new)] = new
        elif kind < 0.8:
            raw[place:place] = new
        elif kind < 0.9:
            del raw[place : place + length]
        else:
            del raw[place:]
        raw = raw or bytearray(b"P")
    return bytes(raw)


# what a file holds, read plainly


def lines_of(content: bytes) -> list[str]:
    text = content.decode("utf-8-sig")
    assert "\0" not in text
    return [line.removesuffix("\r") for line in text.split("\n") if line.strip()]


def is_text(value) -> bool:
    value.encode()
    return isinstance(value, str) and bool(value.strip()) and "\0" not in value


def bare(name: str) -> str:
    narrow = unicodedata.normalize("NFKC", name.strip("\ufeff")).lower()
    return "".join(c for c in narrow if not c.isspace() and c not in "_-").strip("\"'")


# what mutations can make of the names in the seeds
FIRST = ("sentence1", "texta", "query", "text1", "sent1", "s1", "q1", "query1")
SECOND = ("sentence2", "textb", "title", "text2", "sent2", "s2", "q2", "query2")


def strict_json(line: str) -> dict:
    def once(items):
        assert len({key for key, _ in items}) == len(items)
        assert all(math.isfinite(value) for _, value in items if isinstance(value, float))
        return dict(items)

    row = json.loads(line, object_pairs_hook=once)
    assert isinstance(row, dict)
    return row


def by_names(rows: list[list[str]]) -> list[Pair]:
    names = [*map(bare, rows[0])]
    partners = [(names.index(a), names.index(b)) for a, b in zip(FIRST, SECOND, strict=True) if {a, b} <= {*names}]
    in_front = [(0, 1)] if names[0] != names[1] and {*names[:2]} <= {*FIRST, *SECOND} else []
    first, second = (partners + in_front)[0]
    label = names.index("label") if "label" in names else 2 if len(names) == 3 and {first, second} == {0, 1} else None
    assert all(len(row) == len(names) for row in rows)
    return [Pair(row[first], row[second], None if label is None else label_of(row[label])) for row in rows[1:]]


def label_of(value) -> int | None:
    """Of a file in which mutations leave one label or another as it was; what the mutations may make a label of."""
    text = "" if value is None else str(value).strip().lower()
    text = {"1.0": "1", "0.0": "0", "true": "1", "false": "0", "y": "1", "n": "0"}.get(text, text)
    assert text in ("", "0", "1")
    return int(text) if text else None


def pairs_of_tsv(content: bytes) -> list[Pair]:
    rows = [line.split("\t") for line in lines_of(content)]
    try:
        return by_names(rows)
    except IndexError:  # no header
        pass
    assert len({*map(len, rows)}) == 1 and len(rows[0]) in (2, 3)
    return [Pair(row[0], row[1], label_of(row[2]) if len(row) == 3 else None) for row in rows]


def pairs_of_csv(content: bytes) -> list[Pair]:
    text = content.decode("utf-8-sig")
    rows = [
        row
        for row in csv.reader(io.StringIO(text, newline=""), strict=True)
        if row and (len(row) > 1 or row[0].strip())
    ]
    return by_names(rows)


def pairs_of_jsonl(content: bytes) -> list[Pair]:
    pairs = []
    for row in map(strict_json, lines_of(content)):
        found = {bare(key): value for key, value in row.items()}
        a, b = next((a, b) for a, b in zip(FIRST, SECOND, strict=True) if a in found and b in found)
        pairs.append(Pair(found[a], found[b], None if "text_q_seg" in row else label_of(found.get("label"))))
    return pairs
