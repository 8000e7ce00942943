"""How files of one's own are to be read, where their header and labels do not say it by themselves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any

from pydantic import BeforeValidator

from final_project.settings.section import Section, setting

ROLES = ("sentence1", "sentence2", "label")  # what a column may hold


def _as_text(value: Any) -> Any:
    """YAML takes 1 for a number and yes for a truth value; in a file both are text."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, (int, float)) else value


def _all_as_text(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _as_text(name) for key, name in value.items()}
    return [_as_text(name) for name in value] if isinstance(value, list) else value


Names = Annotated[list[str], BeforeValidator(_all_as_text)]
Columns = Annotated[dict[str, str], BeforeValidator(_all_as_text)]


class Labels(Section):
    """Which labels of one's own files mean 1 and which 0; all empty = found by their names."""

    positive: Names = setting([], "labels that mean 1; alone, every other label means 0", "names")
    negative: Names = setting([], "labels that mean 0; alone, every other label means 1", "names")
    cut: float | None = setting(None, "labels are scores, and from this one on they mean 1")

    left_out: Names = setting([], "labels whose rows are passed over everywhere, such as - of OCNLI", "names")

    @property
    def are_given(self) -> bool:
        return bool(self.positive or self.negative or self.cut is not None)

    def conflicts(self) -> Iterator[str]:
        named = [*self.positive, *self.negative, *self.left_out]
        if twice := sorted({name for name in named if named.count(name) > 1}):
            yield f"positive: negative: left_out: name {', '.join(twice)} twice"
        if self.cut is not None and (self.positive or self.negative):
            yield "cut: is for scores, positive: and negative: are for names; leave one of them out"


def column_conflicts(columns: dict[str, str]) -> Iterator[str]:
    """What is wrong with `columns`, one message each."""
    if unknown := [role for role in columns if role not in ROLES]:
        yield f"columns: no such part as {', '.join(unknown)}; there are {', '.join(ROLES)}"
    if empty := [role for role in ROLES[:2] if columns.get(role) == ""]:
        yield f"columns: {', '.join(empty)} needs the name of a column"
    named = [name for name in columns.values() if name]
    if len(set(named)) < len(named):
        yield f"columns: {', '.join(named)} name a column twice"
