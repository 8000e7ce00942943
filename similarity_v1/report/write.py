"""Write the report of a run and the page of one explanation: one HTML file each."""

from __future__ import annotations

from pathlib import Path

from markupsafe import Markup

from final_project.artifacts import write_text
from similarity_v1.explain.explanation import Explanation, explanation_html, explanation_record
from similarity_v1.pages.render import render
from similarity_v1.pages.safe_json import safe_json
from similarity_v1.pages.wording import FIGURES, PICTURES, SYSTEMS
from similarity_v1.rationales.selection import Selection
from similarity_v1.report.content import gather

FOLDER = Path(__file__).parent / "templates"


def write_report(run_dir: str | Path, pair_map: Path | None = None) -> Path:
    """Write runs/NAME/similarity_v1/report.html from what the run's folder holds.

    Args:
        run_dir: the folder runs/NAME.
        pair_map: JSONL that says which row was perturbed from which, where the run's folder does not say it.

    Returns:
        The path of the report.

    Raises:
        ArtifactError: there is no such run, or a file of a stage is damaged.
        DataError: a file with rows is damaged or does not fit the others.

    Example:
        >>> write_report("runs/demo")  # doctest: +SKIP
    """
    run_dir = Path(run_dir)
    content = gather(run_dir, pair_map)
    path = run_dir / "similarity_v1" / "report.html"
    page = render(
        FOLDER,
        "template.html.j2",
        ("page.js", "pair_view.js", "list.js", "start.js"),
        run=content,
        rows_json=Markup(safe_json(content.rows)),
        figures=FIGURES,
        row_notes=SYSTEMS,
        texts=PICTURES,
    )
    write_text(path, page)
    return path


def write_explanation(path: Path, explanation: Explanation, how: Selection) -> None:
    """Write the page of one explanation; how: which words count as chosen."""
    page = render(
        FOLDER,
        "explain.html.j2",
        ("page.js", "pair_view.js", "start.js"),
        row_json=Markup(safe_json(explanation_record(explanation, how))),
        fallback=Markup(explanation_html(explanation, how)),
    )
    write_text(path, page)
