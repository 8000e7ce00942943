"""One pair a row: the reader that all corpora but one need, as TSV, CSV or JSON.

Content decides, not the file's name: mirrors name files as they please and put tabs into what they call CSV.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from final_project.data.corpora.columns import SENTENCES, SENTENCES_LABEL, Layout, is_header, read_columns
from final_project.data.corpora.json_rows import read_json_rows
from final_project.data.corpora.labels import ZERO_ONE, LabelRule, choose_rule
from final_project.data.corpora.names import RawRow
from final_project.data.lines import read_lines
from final_project.data.pairs import Pair
from final_project.errors import DataError


@dataclass(frozen=True)
class Rows:
    """A reader: call it with a path.

    rules      label rules, tried in this order; a file's labels must all be of one
    layouts    of rows without a header, tried in this order
    separator  that the corpus may use instead of tabs
    absent     label of every row where the file has no labels
    """

    rules: tuple[LabelRule, ...] = (ZERO_ONE,)
    layouts: tuple[Layout, ...] = (SENTENCES_LABEL, SENTENCES)
    separator: str = "\t"
    absent: int | None = None

    def __call__(self, path: Path) -> Iterator[Pair]:
        """The pairs of a file, in order. Raises DataError with file and line on the first fault."""
        path = Path(path)
        rule = choose_rule(self.rules, (label for *_, label in self._raw(path)))
        is_labelled: bool | None = None
        for line, sentence1, sentence2, raw_label in self._raw(path):
            if raw_label is None:
                label = self.absent
            else:
                raw_label = raw_label.strip()
                if raw_label in rule.dropped:
                    continue
                if raw_label not in rule.values:
                    raise DataError(path, f"label must be {rule.expected}, found {raw_label[:30]!r}", line)
                label = rule.values[raw_label]
            if not sentence1.strip() or not sentence2.strip():
                raise DataError(path, f"sentence {2 if sentence1.strip() else 1} is empty", line)
            if is_labelled is None:
                is_labelled = label is not None
            if is_labelled != (label is not None):
                found, before = ("no label", "one") if is_labelled else ("a label", "none")
                raise DataError(path, f"{found}, where the rows before have {before}", line)
            yield Pair(sentence1, sentence2, label)

    def _raw(self, path: Path) -> Iterator[RawRow]:
        _, first = next(read_lines(path))
        if "\t" not in first.strip() and first.lstrip().startswith(("{", "[")):
            return read_json_rows(path)
        return read_columns(path, self._separator(path, first), self.layouts, self._is_label)

    def _separator(self, path: Path, first: str) -> str:
        if "\t" not in first and self.separator in first:
            return self.separator
        if "\t" not in first and (path.suffix.lower() == ".csv" or is_header(first.split(","))):
            return ","
        return "\t"

    def _is_label(self, text: str) -> bool:
        return any(rule.knows(text) for rule in self.rules)
