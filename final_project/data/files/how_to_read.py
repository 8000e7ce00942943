"""What a user says of a file whose header or labels do not say it: which column is what, which label means what.

In a recipe `prepare.columns` and `prepare.labels`; of a command the options `--columns` and `--label-rules`.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from final_project import strict_json
from final_project.data.files.column_names import LONGEST, label_keys, normal_name
from final_project.settings.reading import ROLES, Labels

IN_NAME_OF_A_ROW = ("", "id", "index", "idx", "no", "uuid", "unnamed:0", "序号", "编号")
MOST_NAMED = 60  # characters of names in a message, so that the message stays short
PLAIN = re.compile(r"(?!(?:y|n|yes|no|on|off|true|false|null)$)[^\W\d][\w.]*(?: [\w.]+)*", re.IGNORECASE)


@dataclass(frozen=True)
class HowToRead:
    """columns: part of a row (ROLES) -> the name of its column, or its number from 1 in a file without a header; parts
    that are not there go by their usual names. labels: what they mean."""

    columns: Mapping[str, str] = field(default_factory=dict)
    labels: Labels = field(default_factory=Labels)

    @property
    def by_number(self) -> bool:
        """Whether columns are given by their numbers, so that the file has no header."""
        given = [name for name in self.columns.values() if name]
        return bool(given) and all(name.isascii() and name.isdigit() for name in given)

    def place_of(self, role: str, names: Sequence[str]) -> int | None:
        """Where the given column of a part stands, from 0; None where it is not among the names."""
        wanted = self.columns[role]
        if self.by_number:
            return int(wanted) - 1 if 0 < int(wanted) <= len(names) else None
        normal = [*map(normal_name, names)]
        found = [at for at, name in enumerate(names) if name == wanted]
        found += [at for at, name in enumerate(normal) if name == normal_name(wanted)]
        return found[0] if found else None


AS_NAMED = HowToRead()


def naming_hint(names: Sequence[str]) -> str:
    """What to write where the names of columns do not say which holds what, as the end of a message. Where they look
    like a row and not like names, there is no header, and columns go by their numbers."""
    shown = numbered(names) if looks_like_a_row(names) else suggested(names)
    said = "".join(shown.values())
    if len(said) > MOST_NAMED // 2 or not said.isprintable() or {",", "="} & {*said}:
        shown = dict(zip(ROLES, "ABC", strict=True))
    return f"; write {recipe_line(shown)} or {option_of(shown)}"


def looks_like_a_row(names: Sequence[str]) -> bool:
    return any(len(name) > LONGEST or name.strip().lstrip("-").replace(".", "", 1).isdigit() for name in names)


def numbered(row: Sequence[str]) -> dict[str, str]:
    """Part -> the number of the column, from 1, that may hold it, by the first row: two texts, and the last number."""
    numbers = [at for at, cell in enumerate(row, start=1) if looks_like_a_row([cell]) and len(cell) <= LONGEST]
    texts = [at for at in range(1, len(row) + 1) if at not in numbers] + [1, 2]
    return dict(zip(ROLES, map(str, (texts[0], texts[1], numbers[-1] if numbers else 3)), strict=True))


def suggested(names: Sequence[str]) -> dict[str, str]:
    """Part -> the name of a column that may hold it: the first two that are no numbers of rows, and the label's."""
    labels = label_keys(names)
    texts = [name for name in names if name not in labels and normal_name(name) not in IN_NAME_OF_A_ROW]
    given = dict(zip(ROLES, (*texts[:2], *"AB"[len(texts[:2]) :]), strict=False))
    label = labels[0] if labels else texts[2] if len(texts) > 2 else "C"
    return {**given, "label": label}


def recipe_line(columns: Mapping[str, str]) -> str:
    """The line of a recipe that names these columns."""
    return f"prepare.columns: {{{', '.join(f'{role}: {in_yaml(name)}' for role, name in columns.items())}}}"


def option_of(columns: Mapping[str, str]) -> str:
    return f"--columns {shlex.quote(','.join(f'{role}={name}' for role, name in columns.items()))}"


def in_yaml(name: str) -> str:
    """A text as a recipe has to spell it."""
    return name if PLAIN.fullmatch(name) else strict_json.dumps(name, ensure_ascii=False)
