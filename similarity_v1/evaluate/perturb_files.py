"""Write perturbed rows: one file of source and perturbed rows, and the pair map that `evaluate` reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from final_project import strict_json
from final_project.artifacts import write_atomic
from final_project.data.files.how_to_read import AS_NAMED, HowToRead
from final_project.data.records import SegmentedPair
from final_project.prepare.rows_to_explain import read_explained
from similarity_v1.evaluate.perturb import PerturbedPair, perturb_pair


def write_perturbed(
    pairs_file: Path,
    output: Path,
    map_file: Path,
    kinds: Sequence[str],
    n_changes: int,
    seed: int,
    how: HowToRead = AS_NAMED,
) -> dict[str, Any]:
    """Write the rows, then their perturbed rows, with ids after the highest; and for each of them one line of the map:
    {"ori", "disturb", "kinds", "sources"}. A row with nothing to change gets none. Returns counts.
    """
    pairs = read_explained(pairs_file, how)
    next_id = max(pair.id for pair in pairs) + 1
    perturbed: list[tuple[int, PerturbedPair]] = []
    for pair in pairs:
        made = perturb_pair(pair, next_id + len(perturbed), kinds, n_changes, seed)
        if made is not None:
            perturbed.append((pair.id, made))
    with write_atomic(output) as pair_lines, write_atomic(map_file) as map_lines:
        for row in (*pairs, *(made.pair for _, made in perturbed)):
            pair_lines.write(_line(row))
        for source_id, made in perturbed:
            couple = {"ori": source_id, "disturb": made.pair.id, "kinds": made.kinds, "sources": made.sources}
            map_lines.write(strict_json.dumps(couple) + "\n")
    done = Counter(kind for _, made in perturbed for side in made.kinds for kind in side)
    return {"rows": len(pairs), "twins": len(perturbed), "changes": {kind: done[kind] for kind in kinds}}


def _line(row: SegmentedPair) -> str:
    words = {"text_q_seg": row.words_q, "text_t_seg": row.words_t}
    return strict_json.dumps({"id": row.id, "query": row.query, "title": row.title, **words}, ensure_ascii=False) + "\n"
