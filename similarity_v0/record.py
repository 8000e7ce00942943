"""result_record.csv: one row a run, with every setting that matters, the scores and the time. It outlives reruns."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from final_project.artifacts import write_atomic
from final_project.settings import Recipe


def append_record(path: Path, recipe: Recipe, scores: dict[str, dict[str, float]], **facts) -> None:
    """Add a row; columns that older rows lack stay empty there."""
    row = {"recipe": recipe.name, "seed": recipe.seed, **facts}
    row |= {f"{split}_{key}": value for split, values in scores.items() for key, value in values.items()}
    for section in ("encoder", "posttrain", "similarity_v0"):
        row |= {f"{section}.{key}": value for key, value in getattr(recipe, section).model_dump().items()}
    row |= {"augment": recipe.prepare.augment, "corpus": recipe.prepare.pairs_name}
    table = pd.DataFrame([row])
    if path.is_file():
        table = pd.concat([pd.read_csv(path), table], ignore_index=True)
    with write_atomic(path) as file:
        table.to_csv(file, index=False, lineterminator="\n")
