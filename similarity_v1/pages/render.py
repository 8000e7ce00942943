"""Fill a template: one HTML file that loads nothing from the network.

A page may run our own script and no other: its digest is in the page's content security policy.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

SHARED = Path(__file__).parent / "templates"


def render(folder: Path, template: str, scripts: Sequence[str], **content: Any) -> str:
    """The HTML of a template, which finds the scripts as `script` and their digest as `script_digest`.

    folder: where the page's own template, scripts and styles are; names that it lacks are looked up in the shared
    folder. Raises jinja2.UndefinedError where the template reads a name that content lacks.
    """
    script = "\n".join(_find(folder, name).read_text(encoding="utf-8") for name in scripts)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader([folder, SHARED]),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"number": _format_number, "in_order": _in_order}
    text = environment.get_template(template).render(script=Markup(script), script_digest=digest, **content)
    return text.encode("utf-8", "replace").decode("utf-8")  # lone surrogates have no UTF-8


def _find(folder: Path, name: str) -> Path:
    return folder / name if (folder / name).is_file() else SHARED / name


def _format_number(value: Any, form: str = ".3f") -> str:
    return format(value, form) if isinstance(value, (int, float)) and not isinstance(value, bool) else "–"


def _in_order(named: Mapping[str, Any], order: Mapping[str, Any]) -> list[str]:
    """The names, first those in `order`, in its order."""
    return [*(name for name in order if name in named), *(name for name in named if name not in order)]
