"""Write the stage's files for texts with scores or a label.

train.csv dev.csv test.csv   id,text,<names of the scores> or id,text,label; unknown ones empty
text.tsv                     one training text a line, white space as one blank: text for masked-LM
explain.jsonl                id and text of the test rows
gold.jsonl                   planted faults by score, as word positions (built-in essays)
statistics.json              figures of every set
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from final_project.artifacts import write_atomic, write_json
from final_project.data.demo.essays import DemoEssays, build_essays
from final_project.data.files.contest import write_json_lines
from final_project.data.files.text_rows import write_text_rows
from final_project.data.quality.score_statistics import describe_texts, text_table
from final_project.prepare.inputs import Inputs
from final_project.prepare.text_sets import TextSets, chosen_sets, read_text_sets
from final_project.settings import Recipe

log = logging.getLogger(__name__)


def write_text_stage(recipe: Recipe, inputs: Inputs, folder: Path) -> dict[str, int]:
    """Write every file of the stage into `folder`; returns the rows of each by name. Raises DataError."""
    demo: DemoEssays | None = None
    if recipe.prepare.is_own:
        found = read_text_sets(recipe, inputs)
    else:
        settings = recipe.prepare
        demo = build_essays(settings.demo_pairs, settings.demo_seed, recipe.targets)
        found = chosen_sets(recipe, demo.sets, "the built-in essays", has_groups=False, id_column="id")
    folder.mkdir(parents=True, exist_ok=True)
    rows = {
        f"{split}.csv": write_text_rows(folder / f"{split}.csv", found.sets[split], found.columns, found.has_groups)
        for split in ("train", "dev", "test")
    }
    rows["text.tsv"] = _write_lines(folder / "text.tsv", (row.text for row in found.sets["train"]))
    explained = ({"id": row.id, "text": row.text} for row in found.sets["test"])
    rows["explain.jsonl"] = write_json_lines(folder / "explain.jsonl", explained)
    if demo is not None:
        rows["gold.jsonl"] = write_json_lines(folder / "gold.jsonl", demo.gold)
    facts = _facts(recipe, found)
    write_json(folder / "statistics.json", facts)
    for line in text_table(facts["sets"]):
        log.info("prepare: %s", line)
    for fault, count in found.selection.found.items():
        if count:
            log.info("prepare: %s training texts: %s", f"{count:,}", fault)
    return rows | {"statistics.json": 1}


def _facts(recipe: Recipe, found: TextSets) -> dict[str, Any]:
    names = recipe.targets.names
    return {
        "id_column": found.id_column,
        "sets": {split: describe_texts(rows, names) for split, rows in found.sets.items()},
        "train": {
            "rows": len(found.sets["train"]),
            "left_out": found.selection.left_out(),
            "found": found.selection.found,
        },
    }


def _write_lines(path: Path, texts: Iterable[str]) -> int:
    count = 0
    with write_atomic(path) as file:
        for text in texts:
            file.write(" ".join(text.split()) + "\n")
            count += 1
    return count
