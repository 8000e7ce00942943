"""Twins as files: rows and twins together, the map that `evaluate` reads, and how their words belong together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from final_project import strict_json
from final_project.artifacts import write_atomic
from final_project.data.files.contest import read_segmented
from final_project.data.records import SegmentedPair
from similarity_v1.evaluate.perturb import Twin, make_twin


def write_twins(
    pairs_file: Path, output: Path, map_file: Path, kinds: Sequence[str], n_changes: int, seed: int
) -> dict[str, Any]:
    """Write the rows and after them their twins, with ids that follow the highest, and one line a twin of the map:
    {"ori", "disturb", "kinds", "sources"}. Rows without anything to change have none. Returns counts.
    """
    pairs = read_segmented(pairs_file)
    next_id = max(pair.id for pair in pairs) + 1
    twins: list[tuple[int, Twin]] = []
    for pair in pairs:
        twin = make_twin(pair, next_id + len(twins), kinds, n_changes, seed)
        if twin is not None:
            twins.append((pair.id, twin))
    with write_atomic(output) as pair_lines, write_atomic(map_file) as map_lines:
        for row in (*pairs, *(twin.pair for _, twin in twins)):
            pair_lines.write(_line(row))
        for original, twin in twins:
            couple = {"ori": original, "disturb": twin.pair.id, "kinds": twin.kinds, "sources": twin.sources}
            map_lines.write(strict_json.dumps(couple) + "\n")
    done = Counter(kind for _, twin in twins for side in twin.kinds for kind in side)
    return {"rows": len(pairs), "twins": len(twins), "changes": {kind: done[kind] for kind in kinds}}


def _line(row: SegmentedPair) -> str:
    words = {"text_q_seg": row.words_q, "text_t_seg": row.words_t}
    return strict_json.dumps({"id": row.id, "query": row.query, "title": row.title, **words}, ensure_ascii=False) + "\n"
