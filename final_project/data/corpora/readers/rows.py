"""One pair a row: the reader that all corpora need, as TSV, CSV or JSON; DIAC2019 has groups besides.

Content decides, not the file's name: mirrors name files as they please and put tabs into what they call CSV. Every
corpus may also come as the collection's plain TSV: sentence1<TAB>sentence2<TAB>label, 0 or 1, with a header or without.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from final_project.data.corpora.readers.columns import SENTENCES, SENTENCES_LABEL, Layout, RawRow, read_columns
from final_project.data.corpora.readers.json_rows import read_json_rows
from final_project.data.corpora.readers.labels import ZERO_ONE, LabelRule, choose_rule
from final_project.data.files.forms import csv_separator, is_json
from final_project.data.files.lines import read_lines
from final_project.data.records import Pair
from final_project.data.texts import why_no_text
from final_project.errors import DataError


@dataclass(frozen=True)
class Rows:
    """A reader: call it with a path.

    rules      label rules, tried in this order; the labels of a file are all of one of them
    layouts    of rows without a header, tried in this order
    separator  that the corpus may have in place of tabs
    absent     label of every row where the file has no labels
    """

    rules: tuple[LabelRule, ...] = (ZERO_ONE,)
    layouts: tuple[Layout, ...] = (SENTENCES_LABEL, SENTENCES)
    separator: str = "\t"
    absent: int | None = None

    def __call__(self, path: Path) -> Iterator[Pair]:
        """The pairs of a file, in order, one at a time. Raises DataError with file and line on the first fault, and
        where one row has a label and another none. Where the first rows fit several layouts or label rules, the file
        is read once before, until it is decided."""
        path = Path(path)
        rule = choose_rule(self.rules, (row[3] for row in self._raw_rows(path)))
        labelled: bool | None = None  # decided by the first row
        for line, sentence1, sentence2, raw_label in self._raw_rows(path):
            if raw_label is None:
                label = self.absent
            elif raw_label in rule.values:
                label = rule.values[raw_label]
            elif raw_label in rule.dropped:
                continue
            else:
                raise DataError(path, f"label must be {rule.expected}, found {raw_label[:30]!r}", line)
            for place, sentence in enumerate((sentence1, sentence2), start=1):
                if fault := why_no_text(sentence):
                    raise DataError(path, f"sentence {place} {fault}", line)
            if labelled is None:
                labelled = label is not None
            elif labelled != (label is not None):
                found = "no label, but earlier rows have one" if labelled else "a label, but earlier rows have none"
                raise DataError(path, f"{found}: label all rows or none", line)
            yield Pair(sentence1, sentence2, label)

    def _raw_rows(self, path: Path) -> Iterator[RawRow]:
        _, first = next(read_lines(path))
        if is_json(first):
            return read_json_rows(path)
        return read_columns(path, self._find_separator(path, first), self.layouts, self._is_label)

    def _find_separator(self, path: Path, first: str) -> str:
        if "\t" in first:
            return "\t"
        if self.separator in first:
            return self.separator
        return csv_separator(path, first) or "\t"

    def _is_label(self, text: str) -> bool:
        return any(rule.knows(text) for rule in self.rules)
