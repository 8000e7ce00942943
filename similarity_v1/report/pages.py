"""Fill the templates and write the pages."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

import jinja2

from final_project.artifacts import write_text
from final_project.data.pairs import Rationale, SegmentedPair
from final_project.settings import SimilarityV1
from similarity_v1.report.content import card, gather
from similarity_v1.selection import select
from similarity_v1.word_scores import WordScores

FIGURES = {
    "token_f1": ("token-F1", "agreement of the chosen words with the gold ones", ".3f"),
    "iou_f1": ("IOU-F1", "share of sentences whose overlap with gold is at least one half", ".3f"),
    "map": ("MAP", "how well a perturbed twin keeps the order of importance", ".3f"),
    "map_without_repeats": ("MAP, no repeats", "the same with every index counted once", ".3f"),
    "label_agreement": ("labels agree", "share of perturbed twins that keep the label", ".3f"),
    "accuracy": ("accuracy", "labels of these rows", ".3f"),
    "macro_f1": ("macro-F1", "labels of these rows, mean over the classes", ".3f"),
    "share_chosen": ("share chosen", "distinct words chosen, of all words", ".3f"),
    "rows_with_repeated_index": ("rows with repeats", "rows that name a word twice", ".0f"),
}
ROWS = {
    "raw": "as the attribution chose",
    "original": "f1 f2 f3; copies answers between rows",
    "clean": "label-aware; copies nothing",
    "all_words": "every word in order",
    "first_share": "the first share of the words",
    "random": "same size, random; mean of 5 draws",
    "overlap": "words that the other sentence has too",
}


def write_report(run_dir: str | Path) -> Path:
    """Write runs/NAME/similarity_v1/report.html from what the run's folder holds; returns its path."""
    run_dir = Path(run_dir)
    path = run_dir / "similarity_v1" / "report.html"
    write_text(path, _render("template.html.j2", run=gather(run_dir), figures=FIGURES, row_notes=ROWS))
    return path


def write_explanation(path: Path, pair: SegmentedPair, row: WordScores, settings: SimilarityV1) -> None:
    """Write the page of one explained pair."""
    chosen = Rationale(row.id, row.label, *(select(scores, settings.ratio) for scores in (row.scores_q, row.scores_t)))
    shown = card(pair, asdict(row), {"chosen": chosen})
    write_text(path, _render("explain.html.j2", card=shown, settings=settings))


def _render(template: str, **content: Any) -> str:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["number"] = _number
    text = environment.get_template(template).render(**content)
    return text.encode("utf-8", "replace").decode("utf-8")  # lone surrogates have no UTF-8


def _number(value: Any, form: str = ".3f") -> str:
    return format(value, form) if isinstance(value, (int, float)) and not isinstance(value, bool) else "–"
