"""What `predict` does with a scorer of texts: a file of texts in, `id,<names>` out, the same bytes on any number of
processes."""

from __future__ import annotations

import contextlib
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from final_project.data.files.score_files import scores_writer
from final_project.data.files.text_columns import TextColumns
from final_project.data.files.text_rows import iter_text_rows
from final_project.data.quality.strata import score_matrix
from final_project.data.records import TextRow
from final_project.errors import ArtifactError
from final_project.parallel.world import World
from final_project.settings import Targets
from similarity_v0.api import CHUNK_ROWS
from similarity_v0.decision.score_metrics import flat_figures, score_figures
from similarity_v0.text_api import TextScorer


def predict_texts(scorer: TextScorer, source: Path, target: Path, world: World) -> dict[str, Any]:
    """Score every text of a file, in order; returns rows, rows cut, and figures where there are scores. Raises
    ArtifactError and DataError; the target is then as it was."""
    if target.suffix.lower() != ".csv":
        raise ArtifactError(f"{target}: scores are written as .csv")
    rows = world.run_on_all_ranks(partial(read_texts, scorer, source))
    chunks = [rows[at : at + CHUNK_ROWS] for at in range(0, len(rows), CHUNK_ROWS)]
    scale, n_truncated, parts = scorer.scale, 0, []
    with scores_writer(target, scale.names) if world.is_first else contextlib.nullcontext() as add:
        for first in range(0, len(chunks), world.size):
            mine = list(islice(chunks, first + world.rank, first + world.rank + 1))
            first_row = (first + world.rank) * CHUNK_ROWS
            scored = world.gather(world.run_on_all_ranks(partial(_score, scorer, mine, first_row)))
            if not world.is_first:
                continue
            assert add is not None
            for chunk, (values_NC, n_cut) in zip(chunks[first : first + world.size], scored, strict=False):
                parts.append(scale.clipped(values_NC))
                add([row.id for row in chunk], parts[-1])
                n_truncated += n_cut
    answer: dict[str, Any] = {"rows": len(rows), "truncated": n_truncated}
    given_NC = score_matrix(rows)
    if world.is_first and np.isfinite(given_NC).any():
        answer |= flat_figures(score_figures(np.concatenate(parts), given_NC, scale))
    return answer


def read_texts(scorer: TextScorer, source: Path) -> list[TextRow]:
    scale = scorer.scale
    targets = Targets(names=list(scale.names), low=scale.low, high=scale.high, step=scale.step)
    values = tuple((name, name) for name in targets.names)
    columns = TextColumns("scores", values, targets.low, targets.high)
    return [row for _, row in iter_text_rows(source, columns, may_lack_values=True)]


def _score(scorer: TextScorer, chunks: list[list[TextRow]], first_row: int) -> tuple[np.ndarray, int]:
    if not chunks:
        return np.zeros((0, len(scorer.scale.names))), 0
    return scorer.score([(row.text, None, None) for row in chunks[0]], first_row)
