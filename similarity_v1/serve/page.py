"""The page of the local server: one file, its script and its style named by digest, nothing else allowed to run."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from similarity_v1.pages.render import render
from similarity_v1.serve.limits import Limits

FOLDER = Path(__file__).parent
POLICY = (
    "default-src 'none'; script-src '{script}'; style-src '{style}'; connect-src 'self'; img-src data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def page(model_name: str, method: str, threshold: float | None, limits: Limits, n_texts: int | None) -> tuple[str, str]:
    """(HTML, its content security policy). threshold: on P(1), where the model's folder has one. n_texts: that the
    model reads, None where that is not known."""
    html = render(
        FOLDER,
        "page.html.j2",
        ("page.js", "pair_view.js", "ask.js"),
        model_name=model_name,
        method=method.replace("_", " "),
        threshold=threshold,
        max_chars=limits.max_chars,
        n_texts=n_texts,
    )
    return html, POLICY.format(script=_digest(html, "script"), style=_digest(html, "style"))


def _digest(html: str, element: str) -> str:
    text = html.split(f"<{element}>", 1)[1].split(f"</{element}>", 1)[0]
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
