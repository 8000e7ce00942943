"""The pairs as the report's list takes them: one small record a row, which list.js and pair_view.js draw.

A record:
    id, label, p                 the row, its decided label, P(1)
    gold                         the right label, where one is known
    of                           the id of the source row, where this is a perturbed row
    words  [first, second]       the given words of both sentences
    scores {method: [first, second]}    one number a word, four significant digits
    chosen {chain: [first, second]}     positions from 0, most important first; `gold` is listed like a chain
    unread [first, second]       positions of the words that the model did not read, where there are any
    blanks [first, second]       positions of the words that white space follows, where there are any
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from final_project.data.files.contest import read_segmented
from final_project.data.records import GoldRow, Rationale, SegmentedPair
from similarity_v1.evaluate.gold import read_gold, read_pair_map, require_known_ids
from similarity_v1.evaluate.metrics import pair_map_from_gold
from similarity_v1.explain.alignment import blanks_after
from similarity_v1.rationales.chains import LAST_FILE
from similarity_v1.rationales.submission import check_rows, read_submission
from similarity_v1.rationales.word_scores import WordScores, read_scores

OTHER = ".scores.jsonl"


@dataclass(frozen=True)
class Explained:
    """What the run's folder knows of its rows, by id. methods: word scores by method; the first decides the label."""

    pairs: Mapping[int, SegmentedPair]
    methods: Mapping[str, Mapping[int, WordScores]]
    chains: Mapping[str, Mapping[int, Rationale]]
    gold: Mapping[int, GoldRow]
    twin_of: Mapping[int, int]


def read_explained(run_dir: Path, method: str, pair_map: Path | None = None) -> Explained | None:
    """None where the stage has not written its rows. Raises DataError where a file is damaged or does not fit.

    method: that of scores.jsonl. Scores that `extract` wrote for other methods are read from
    similarity_v1/methods/NAME.scores.jsonl. pair_map: which row was perturbed from which, where the run lacks the file.
    """
    stage, prepared = run_dir / "similarity_v1", run_dir / "prepare"
    files = {chain: stage / "submit" / name for chain, name in LAST_FILE.items()}
    if not files["published"].is_file():  # it is for rows of the contest
        del files["published"]
    needed = (prepared / "explain.jsonl", stage / "scores.jsonl", *files.values())
    if not all(path.is_file() for path in needed):
        return None
    pairs = read_segmented(prepared / "explain.jsonl")
    by_id = {pair.id: pair for pair in pairs}
    chains = {}
    for chain, path in files.items():
        rows = read_submission(path)
        check_rows(path, rows, pairs)
        chains[chain] = {row.id: row for _, row in rows}
    others = {path.name.removesuffix(OTHER): path for path in sorted((stage / "methods").glob(f"*{OTHER}"))}
    scores = {method: stage / "scores.jsonl"} | {name: path for name, path in others.items() if name != method}
    gold_file, map_file = prepared / "gold.jsonl", pair_map or prepared / "pair_map.jsonl"
    gold = {row.id: row for row in read_gold(gold_file)} if gold_file.is_file() else {}
    twins = read_pair_map(map_file) if pair_map or map_file.is_file() else pair_map_from_gold(gold.values())
    if pair_map:
        require_known_ids(map_file, (id_ for couple in twins for id_ in couple), by_id, "the pairs")
    return Explained(
        pairs=by_id,
        methods={name: {row.id: row for row in read_scores(path, pairs)} for name, path in scores.items()},
        chains=chains,
        gold=gold,
        twin_of={twin: original for original, twin in twins if original in by_id and twin in by_id},
    )


def records(explained: Explained) -> list[dict[str, Any]]:
    """The rows that have scores, in the order of the pairs."""
    first = next(iter(explained.methods.values()))
    return [_record(explained, id_) for id_ in explained.pairs if id_ in first]


def _record(explained: Explained, id_: int) -> dict[str, Any]:
    pair, gold = explained.pairs[id_], explained.gold.get(id_)
    scored = {method: rows[id_] for method, rows in explained.methods.items() if id_ in rows}
    decided = next(iter(scored.values()))
    record: dict[str, Any] = {
        "id": id_,
        "label": decided.label,
        "p": _short(decided.probability, 6),
        "words": [pair.words_q, pair.words_t],
        "scores": {method: [[_short(s) for s in side] for side in (row.scores_q, row.scores_t)]
                   for method, row in scored.items()},
        "chosen": {chain: [rows[id_].words_q, rows[id_].words_t]
                   for chain, rows in explained.chains.items() if id_ in rows},
    }  # fmt: skip
    unread = [decided.unread_q, decided.unread_t]
    blanks = [blanks_after(pair.query, pair.words_q), blanks_after(pair.title, pair.words_t)]
    record |= {key: sides for key, sides in (("unread", unread), ("blanks", blanks)) if any(sides)}
    if gold is not None:
        record["gold"] = gold.label
        record["chosen"]["gold"] = [gold.sets_q[0], gold.sets_t[0]]
    if id_ in explained.twin_of:
        record["of"] = explained.twin_of[id_]
    return record


def _short(value: float, n_digits: int = 4) -> float:
    return float(f"{value:.{n_digits}g}")
