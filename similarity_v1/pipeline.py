"""The work of the stage, start to end: extract, refine by both chains, validate, evaluate, report."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from final_project.artifacts import write_json
from final_project.data.files.contest import read_segmented
from final_project.data.records import Rationale
from final_project.parallel.world import World
from final_project.run.result_files import ResultFiles
from final_project.settings import Recipe
from similarity_v1.evaluate.figures import References, measure, measure_baselines, n_repeating, to_numbers
from similarity_v1.evaluate.files import read_references
from similarity_v1.evaluate.metrics import intervals
from similarity_v1.extract.job import Job, plan_share
from similarity_v1.rationales.chains import RAW_FILE, ZIP_FILE, write_clean_chain, write_published_chain
from similarity_v1.rationales.published_chain import read_source_rows
from similarity_v1.rationales.submission import align_rows, read_submission, validate
from similarity_v1.rationales.word_scores import read_scores
from similarity_v1.report import write_report

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StageResult:
    """outputs and handed_in are paths below the stage's folder."""

    outputs: list[str]
    handed_in: str
    rows: int


def explain(recipe: Recipe, folder: Path, world: World) -> None:
    """The raw rationales and their scores, in the stage's folder; the work of all processes. It resumes where an
    interrupted run of the same settings was."""
    job = Job(
        model=ResultFiles.of_stage(folder.parent / "similarity_v0").model,
        pairs=folder.parent / "prepare" / "explain.jsonl",
        output=folder / "submit" / RAW_FILE,
        scores=folder / "scores.jsonl",
        settings=recipe.similarity_v1,
    )
    plan_share(job, world).work()


def produce(recipe: Recipe, folder: Path) -> StageResult:
    """Fill the stage's folder from the raw rationales in it. Raises DataError or ArtifactError; every single file is
    either whole or absent."""
    settings, run_dir = recipe.similarity_v1, folder.parent
    prepared, submit = run_dir / "prepare", folder / "submit"
    pairs = read_segmented(prepared / "explain.jsonl")
    known = read_references(
        pairs, "explain.jsonl", _if_there(prepared / "gold.jsonl"), _if_there(prepared / "pair_map.jsonl")
    )
    raw = align_rows(submit / RAW_FILE, read_submission(submit / RAW_FILE), pairs)
    unread = {
        row.id: (frozenset(row.unread_q), frozenset(row.unread_t))
        for row in read_scores(folder / "scores.jsonl", pairs)
        if row.unread_q or row.unread_t
    }
    systems, refinement = {"raw": raw}, {}  # evaluation.json keeps the older name, original, of the published chain
    if recipe.prepare.explains_contest or recipe.chain == "published":
        systems["original"], counts = write_published_chain(
            submit, pairs, raw, read_source_rows(prepared / "originals.tsv"), unread
        )
        refinement = {"refinement": counts}
        log.info(
            "similarity_v1: %d source rows, %d perturbed rows took their answers (chain published)",
            counts["originals"], counts["copied"],
        )  # fmt: skip
    systems["clean"] = write_clean_chain(submit, pairs, raw, settings.clean_order, unread)
    handed_in = f"submit/{ZIP_FILE[recipe.chain]}"
    validate(folder / handed_in, pairs)
    evaluation = _evaluation(recipe, known, systems) | refinement | {"handed_in": handed_in}
    write_json(folder / "evaluation.json", evaluation)
    _log_figures(evaluation)
    write_report(run_dir)
    return StageResult(_written(folder), handed_in, len(pairs))


def _written(folder: Path) -> list[str]:
    """Every file of the stage. Hidden ones are what a killed run left of an atomic write: they are no results."""
    files = [path for path in folder.rglob("[!.]*") if path.is_file() and path.name != "started.json"]
    return [path.relative_to(folder).as_posix() for path in files]


def _if_there(path: Path) -> Path | None:
    return path if path.is_file() else None


def _evaluation(recipe: Recipe, known: References, systems: dict[str, list[Rationale]]) -> dict[str, Any]:
    """intervals: 95 % bootstrap intervals of the systems' and the baselines' figures that are means over rows."""
    found = {name: measure(rows, known) for name, rows in systems.items()}
    beside = measure_baselines(systems["raw"], known, recipe.similarity_v1.ratio)
    return {
        "recipe": recipe.name,
        "settings": recipe.similarity_v1.model_dump() | {"chain": recipe.chain},
        "rows": len(known.words),
        "gold_rows": len(known.gold),
        "perturbed_pairs": len(known.pair_map),
        "systems": {
            name: to_numbers(figures) | {"rows_with_repeated_index": n_repeating(systems[name])}
            for name, figures in found.items()
        },
        "baselines": {name: to_numbers(figures) | {"rows_with_repeated_index": 0} for name, figures in beside.items()},
        "intervals": {name: intervals(figures) for name, figures in {**found, **beside}.items()},
    }


def _log_figures(evaluation: dict[str, Any]) -> None:
    """One line a system: the figures under their names, as a table."""
    rows = {**evaluation["systems"], **evaluation["baselines"]}
    names = list(dict.fromkeys(name for figures in rows.values() for name in figures))
    log.info("similarity_v1: %-12s%s", "", "  ".join(names))
    for system, figures in rows.items():
        cells = (f"{figures[name]:.4g}" if name in figures else "-" for name in names)
        shown = "  ".join(cell.rjust(len(name)) for cell, name in zip(cells, names, strict=True))
        log.info("similarity_v1: %-12s%s", system, shown)
