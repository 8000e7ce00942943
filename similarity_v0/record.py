"""result_record.csv: one row a run, with every setting that matters, the scores and the time. It outlives reruns."""

from __future__ import annotations

import logging
from pathlib import Path

import pandas as pd
from pandas.errors import EmptyDataError

from final_project.artifacts import write_atomic
from final_project.settings import Recipe

log = logging.getLogger(__name__)


def append_record(path: Path, recipe: Recipe, scores: dict[str, dict[str, float]], **facts) -> None:
    """Add a row; columns that older rows lack stay empty there."""
    row = {"recipe": recipe.name, "seed": recipe.seed, **facts}
    row |= {f"{split}_{key}": value for split, values in scores.items() for key, value in values.items()}
    of_texts = () if recipe.targets.rows == "pairs" else ("targets",)
    for section in (*of_texts, "encoder", "posttrain", "similarity_v0"):
        row |= {f"{section}.{key}": value for key, value in getattr(recipe, section).model_dump().items()}
    row |= {"augment": recipe.prepare.augment, "corpus": recipe.prepare.pairs_name}
    table = pd.DataFrame([row])
    if (before := _read_table(path)) is not None:
        table = pd.concat([before, table], ignore_index=True)
    with write_atomic(path) as file:
        table.to_csv(file, index=False, lineterminator="\n")


def _read_table(path: Path) -> pd.DataFrame | None:
    """The rows so far. A file that is not a table is renamed with a warning: the new row must not be lost."""
    try:
        return pd.read_csv(path) if path.is_file() else None
    except EmptyDataError:
        return None
    except ValueError as error:  # pandas' ParserError, and text that is not UTF-8
        aside = path.with_name(f"{path.stem}.damaged{path.suffix}")
        log.warning("%s: not a readable table (%s); renamed to %s, and a new one is begun", path, error, aside.name)
        path.replace(aside)
        return None
