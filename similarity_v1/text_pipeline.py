"""The work of the stage on single texts: which words moved each score, or the decided label.

    scores.jsonl      a text a line: `{id, words, explained: {name: {score, scores, error, unread}}}`; `score` in points
                      (of a label its probability), `scores` one a word: how far it moved that score
    evaluation.json   of each score how exactly the words' scores add up, and where faults are planted, how many of the
                      words that lowered it most are at fault, against as many words drawn at random
Words are what white space parts. Shapes: N texts.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from final_project import strict_json
from final_project.artifacts import write_atomic, write_json
from final_project.data.files.contest import read_json_lines
from final_project.model.folder import load_classifier
from final_project.model.scale import is_scorer_folder, load_scale
from final_project.parallel.world import World
from final_project.settings import Recipe, SimilarityV1
from similarity_v1.explain.explainer import Explainer
from similarity_v1.explain.explanation import Explanation
from similarity_v1.explain.from_settings import method_options

log = logging.getLogger(__name__)

ROWS_AT_A_TIME = 64
SCORES_FILE = "scores.jsonl"
DRAWS = 2000


@dataclass(frozen=True)
class GivenText:
    id: str
    text: str

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(self.text.split())


def explain_texts(recipe: Recipe, folder: Path, world: World) -> tuple[list[str], dict[str, Any]]:
    """Fill the stage's folder on all processes; returns its files and the facts for the manifest."""
    run_dir = folder.parent
    rows = [GivenText(str(row["id"]), row["text"]) for _, row in read_json_lines(run_dir / "prepare" / "explain.jsonl")]
    explainers = build_explainers(run_dir / "similarity_v0" / "result" / "model", recipe.similarity_v1)
    mine = rows[world.rank :: world.size]
    found = world.run_on_all_ranks(lambda: records(explainers, mine))
    parts = world.gather(found)
    if not world.is_first:
        return [], {}
    lines = [parts[number % world.size][number // world.size] for number in range(len(rows))]
    with write_atomic(folder / SCORES_FILE) as file:
        file.writelines(strict_json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    gold = run_dir / "prepare" / "gold.jsonl"
    faults = {str(row["id"]): row["faults"] for _, row in read_json_lines(gold)} if gold.is_file() else {}
    evaluation = evaluate(lines, list(explainers), faults, recipe.seed)
    write_json(folder / "evaluation.json", {"recipe": recipe.name, "rows": len(rows), "targets": evaluation})
    for name, figures in evaluation.items():
        log.info("similarity_v1: %s: %s", name, describe(figures))
    return [SCORES_FILE, "evaluation.json"], {"rows": len(rows), "handed_in": SCORES_FILE}


def build_explainers(folder: Path, settings: SimilarityV1) -> dict[str, Explainer]:
    """An Explainer for each target that the settings ask for, by its name; all on one model."""
    model, tokenizer = load_classifier(folder)
    names = load_scale(folder).names if is_scorer_folder(folder) else ()
    targets = list(names) if settings.target == "all" else [settings.target]
    common = {"precision": settings.precision, "batch_tokens": settings.batch_tokens, **method_options(settings)}
    return {
        names[target] if names and isinstance(target, int) else str(target): Explainer(
            model, tokenizer, settings.method, target=target, words="whitespace", **common
        )
        for target in targets
    }


def records(explainers: Mapping[str, Explainer], rows: Sequence[GivenText]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = [{"id": row.id, "words": list(row.words), "explained": {}} for row in rows]
    for name, explainer in explainers.items():
        for begin in range(0, len(rows), ROWS_AT_A_TIME):
            some = rows[begin : begin + ROWS_AT_A_TIME]
            explanations = explainer.explain([row.text for row in some], [(row.words,) for row in some])
            for record, explanation in zip(found[begin:], explanations, strict=False):
                record["explained"][name] = _of(explanation)
    return found


def _of(explanation: Explanation) -> dict[str, Any]:
    number = explanation.probability if explanation.score is None else explanation.score
    error = explanation.completeness_error
    record: dict[str, Any] = {
        "score": _short(number),
        "scores": [_short(score) for score in explanation.scores[0]],
        "error": None if error is None else _short(error),
        "unread": list(explanation.unread[0]),
    }
    return record if explanation.label is None else {"label": explanation.label_name, **record}


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.9g}")


def evaluate(
    lines: Iterable[Mapping[str, Any]], names: Sequence[str], faults: Mapping[str, Mapping[str, list[int]]], seed: int
) -> dict[str, dict[str, Any]]:
    """Figures of each target; see the head of this file. faults: by the text's id and the target; may be empty."""
    lines = list(lines)
    figures: dict[str, dict[str, Any]] = {}
    for name in names:
        errors = [e for line in lines if (e := line["explained"][name]["error"]) is not None]
        figures[name] = {"rows": len(lines), "mean_error": float(np.mean(errors)) if errors else None}
        marked = [
            (line["explained"][name]["scores"], faults[line["id"]][name])
            for line in lines
            if 0 < len(faults.get(line["id"], {}).get(name, ())) < len(line["words"])
        ]
        if marked:
            figures[name]["planted_faults"] = overlap(marked, seed)
    return figures


def overlap(marked: Sequence[tuple[Sequence[float], Sequence[int]]], seed: int) -> dict[str, Any]:
    """Of the k words that lowered a score most, k the number of words at fault, the share that is at fault; the share
    that k words at random have; and their difference with its 95 % bootstrap interval over texts."""
    found_N = np.array([precision_of_lowest(scores, places) for scores, places in marked])
    chance_N = np.array([len(places) / len(scores) for scores, places in marked])
    gain_N = found_N - chance_N
    drawn = np.random.default_rng(seed).integers(0, len(gain_N), (DRAWS, len(gain_N)))
    low, high = np.percentile(gain_N[drawn].mean(axis=1), [2.5, 97.5])
    return {
        "rows": len(marked),
        "found": float(found_N.mean()),
        "random": float(chance_N.mean()),
        "gain": float(gain_N.mean()),
        "interval": [float(low), float(high)],
    }


def precision_of_lowest(scores: Sequence[float], places: Sequence[int]) -> float:
    lowest = np.argsort(np.array(scores), kind="stable")[: len(places)]
    return len(set(lowest.tolist()) & set(places)) / len(places)


def describe(figures: Mapping[str, Any]) -> str:
    error = figures["mean_error"]
    said = [] if error is None else [f"words add up but for {error:.4f} points on average"]
    if planted := figures.get("planted_faults"):
        low, high = planted["interval"]
        said.append(
            f"of the words that lowered it most {planted['found']:.3f} are at fault, of random words "
            f"{planted['random']:.3f} (difference {low:.3f} to {high:.3f} at 95 %)"
        )
    return "; ".join(said) or f"{figures['rows']} texts explained"
