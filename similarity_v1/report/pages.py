"""Fill the templates and write the pages: one file each, which asks nothing of the network.

A page may run our own script and no other: its digest stands in the page's content security policy.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from final_project.artifacts import write_text
from similarity_v1.explain.explanation import Explanation, explanation_html, explanation_record
from similarity_v1.rationales.selection import Selection
from similarity_v1.report.content import gather
from similarity_v1.report.safe_json import safe_json
from similarity_v1.report.texts import FIGURES, PICTURES, SYSTEMS

FOLDER = Path(__file__).parent / "templates"


def write_report(run_dir: str | Path, pair_map: Path | None = None) -> Path:
    """Write runs/NAME/similarity_v1/report.html from what the run's folder holds; returns its path.

    pair_map: which rows are perturbed twins of which, where the run's folder does not say."""
    run_dir = Path(run_dir)
    content = gather(run_dir, pair_map)
    path = run_dir / "similarity_v1" / "report.html"
    page = render(
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
    """Write the page of one explanation; how: which words are called chosen."""
    page = render(
        "explain.html.j2",
        ("page.js", "pair_view.js", "start.js"),
        row_json=Markup(safe_json(explanation_record(explanation, how))),
        fallback=Markup(explanation_html(explanation, how)),
    )
    write_text(path, page)


def render(template: str, scripts: Sequence[str], folder: Path = FOLDER, **content: Any) -> str:
    """The page of a template, which finds the scripts as `script` and their digest as `script_digest`.

    scripts: names of files in this folder, or paths. folder: where the template is, if not here."""
    script = "\n".join((FOLDER / name).read_text(encoding="utf-8") for name in scripts)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, FOLDER]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _number, "in_order": _in_order}
    text = environment.get_template(template).render(script=Markup(script), script_digest=digest, **content)
    return text.encode("utf-8", "replace").decode("utf-8")  # lone surrogates have no UTF-8


def _number(value: Any, form: str = ".3f") -> str:
    return format(value, form) if isinstance(value, (int, float)) and not isinstance(value, bool) else "–"


def _in_order(named: Mapping[str, Any], order: Mapping[str, Any]) -> list[str]:
    """The names, those in `order` first and as there."""
    return [*(name for name in order if name in named), *(name for name in named if name not in order)]
