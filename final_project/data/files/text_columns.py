"""Which columns of a file of texts hold the id, the text, the group, and the scores or the label.

A name is found as it is written, or else as normal_name compares: `Text_ID` is `text id`.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from final_project.data.files.column_names import listed, normal_name
from final_project.settings import Prepare, Targets
from final_project.settings.targets import Kind

IDS = ("id", "text_id", "essay_id", "text_id_kaggle")
TEXTS = ("text", "full_text", "essay")
ROW, GROUP, LABEL = "row", "group", "label"


class NoColumn(Exception):
    """A file has no column that it needs; the message says which and what is there."""


@dataclass(frozen=True)
class TextPlaces:
    """The names of the columns in one file. id: None = the row's number. values: of the scores, or of the label alone;
    empty where the file has none of them."""

    id: str | None
    text: str
    group: str | None
    values: tuple[str, ...]


@dataclass(frozen=True)
class TextColumns:
    """What to look for. id, text, group: empty = the known names. values: (name of a score or `label`, its column).
    names: of the labels, where the recipe says them. low, high: bounds of the scores."""

    kind: Kind
    values: tuple[tuple[str, str], ...]
    low: float = 1.0
    high: float = 5.0
    id: str = ""
    text: str = ""
    group: str = ""
    names: tuple[str, ...] = field(default=())

    @classmethod
    def of_prepared(cls, targets: Targets) -> TextColumns:
        """Those of the files that prepare writes."""
        if targets.kind == "labels":
            return cls("labels", ((LABEL, LABEL),), names=tuple(targets.names), id="id", text="text")
        values = tuple((name, name) for name in targets.names)
        return cls("scores", values, targets.low, targets.high, id="id", text="text")

    @classmethod
    def of_given(cls, targets: Targets, prepare: Prepare) -> TextColumns:
        """Those of a user's files, as the recipe names them."""
        places: dict[str, Any] = {"id": prepare.id_column, "text": prepare.text_column, "group": prepare.group_column}
        if targets.kind == "labels":
            return cls("labels", ((LABEL, prepare.label_column or LABEL),), names=tuple(targets.names), **places)
        values = tuple((name, prepare.target_columns.get(name, name)) for name in targets.names)
        return cls("scores", values, targets.low, targets.high, **places)

    def find(self, header: Sequence[str], may_lack_values: bool) -> TextPlaces:
        """Where everything is. may_lack_values: whether a file may have none of the values' columns (never only some
        of them). Raises NoColumn."""
        text = _one(header, [self.text] if self.text else TEXTS)
        if text is None:
            raise NoColumn(_lacking(self.text or "text", header, "prepare.text_column"))
        values = tuple(_one(header, [column]) for _, column in self.values)
        lacking = [column for (_, column), found in zip(self.values, values, strict=True) if found is None]
        if lacking and not (may_lack_values and len(lacking) == len(values)):
            setting = "prepare.label_column" if self.kind == "labels" else "prepare.target_columns"
            raise NoColumn(_lacking(lacking[0], header, setting))
        group = _one(header, [self.group or GROUP])
        if self.group and group is None:
            raise NoColumn(_lacking(self.group, header, "prepare.group_column"))
        found = () if lacking else tuple(column for column in values if column is not None)
        return TextPlaces(self._id(header), text, group, found)

    def _id(self, header: Sequence[str]) -> str | None:
        found = _one(header, [self.id] if self.id else IDS)
        if self.id and found is None and self.id != ROW:
            raise NoColumn(_lacking(self.id, header, "prepare.id_column"))
        return found


def _one(header: Sequence[str], names: Sequence[str]) -> str | None:
    """The column that has the first of these names that any has."""
    for name in names:
        if name in header:
            return name
        same = [column for column in header if normal_name(column) == normal_name(name)]
        if len(same) == 1:
            return same[0]
    return None


def _lacking(name: str, header: Sequence[str], setting: str) -> str:
    near = difflib.get_close_matches(name, header, n=3, cutoff=0.5)
    hint = f"; the nearest are {', '.join(near)}" if near else ""
    return f"no column {name}: found {listed(header) or 'none'}{hint} (set {setting} where it has another name)"
