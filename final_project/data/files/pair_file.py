"""One file of pairs: its columns by their names or as the user says, its labels as the file as a whole shows them.

Everything that reads pairs goes through PairFile; it remembers what it found, so that it can be said
(read_report.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from final_project.data.files.column_names import (
    NamedColumns,
    is_header,
    label_keys,
    listed,
    missing_key,
    named_columns,
    sentence_keys,
)
from final_project.data.files.contest import iter_segmented
from final_project.data.files.how_to_read import AS_NAMED, HowToRead, naming_hint
from final_project.data.files.label_reading import LabelFault, LabelReader, first_lines
from final_project.data.files.open_rows import CSV, JSONL, RowFile, line_ends, open_rows
from final_project.data.records import Pair
from final_project.data.texts import why_no_text
from final_project.errors import DataError

IN_ORDER = {2: NamedColumns(0, 1, None), 3: NamedColumns(0, 1, 2)}  # number of columns -> what is where, by default
EXPECTED_HEADER = "sentence1,sentence2,label"
MOST_SAMPLES = 3


class Places(NamedTuple):
    """Where in a row what stands: a place from 0, or a key. label: None where there is none."""

    sentence1: Any
    sentence2: Any
    label: Any


class Sample(NamedTuple):
    """A row as it was read. raw: its label as it stands there."""

    line: int
    pair: Pair
    raw: Any


class PairFile:
    """An open file of pairs, gone through once: `for line, pair in PairFile(path)`, a DataError in the place of a pair
    that does not fit.

    header: True: a table must have one, False: it must not, None: either; a CSV always has one, unless its columns are
    given by number. Raises DataError where the file cannot be read at all or its columns are not understood.
    """

    def __init__(self, path: str | Path, how: HowToRead = AS_NAMED, header: bool | None = None):
        self.path, self.how, self.header = Path(path), how, header
        self.n_rows = 0
        self.samples: list[Sample] = []
        self._keys: dict[tuple[str, ...], Places] = {}
        self.labels = LabelReader(self.path, how.labels, self._survey)
        self.file = self._open()
        self.is_contest = self.file.form == JSONL and bool({"text_q_seg", "text_t_seg"} & {*(self.file.names or ())})
        self.places = None if self.file.has_keys else self._places_of_table(self.file)

    def _open(self) -> RowFile:
        return open_rows(self.path, lambda first: self._named(first) is not None, self._wanted)

    def __iter__(self) -> Iterator[tuple[int, Pair | DataError]]:
        if self.is_contest:
            for line, segmented in iter_segmented(self.path):
                yield line, self._noted(line, Pair(segmented.query, segmented.title), None)
            return
        for line, row in self.file.rows:
            found: Pair | DataError | None
            try:
                found = row if isinstance(row, DataError) else self._pair(line, row)
            except LabelFault as error:
                found = self._header_suspected(line, error)
            except DataError as error:
                found = error
            if found is not None:
                yield line, found

    def names_of(self) -> Places | None:
        """What the columns that are read are called: names, keys, or numbers from 1 where there is no header."""
        names = self.file.names
        if self.is_contest:
            return Places("query", "title", None)
        if self.places is not None:
            return Places(*(at if at is None else names[at] if names else at + 1 for at in self.places))
        return self._places_of_keys(self.file.first_line, names or ())

    def _pair(self, line: int, row: Any) -> Pair | None:
        """None where the row is to be passed over for its label."""
        places = self.places
        if places is None:
            places = self._places_of_keys(line, row)
            for key in places[:2]:
                if fault := (None if isinstance(row[key], str) else why_no_text(row[key])):
                    raise DataError(self.path, f"{listed([key])} {fault}", line)
        elif len(row) == 2 and self.file.form != CSV and is_header(row):
            raise DataError(self.path, f"a header between rows, {row[0]!r} and {row[1]!r}: leave it out", line)
        raw = None if places.label is None else row[places.label]
        if self.labels.left_out and self.labels.passes_over(raw):
            return None
        sentence1, sentence2 = row[places.sentence1], row[places.sentence2]
        for number, sentence in enumerate((sentence1, sentence2), start=1):
            if fault := why_no_text(sentence):
                raise DataError(self.path, f"sentence {number} {fault}", line)
        return self._noted(line, Pair(sentence1, sentence2, None if raw is None else self.labels.read(line, raw)), raw)

    def _header_suspected(self, line: int, fault: LabelFault) -> DataError:
        """A label that does not fit, in the first row of a table without a known header, may be a name."""
        if self.file.names is not None or line != self.file.first_line or self.header is not None:
            return fault
        return DataError(self.path, f"{fault.what}; is this a header?{naming_hint(self.file.first)[1:]}", line)

    def _noted(self, line: int, pair: Pair, raw: Any) -> Pair:
        self.n_rows += 1
        if len(self.samples) < MOST_SAMPLES:
            self.samples.append(Sample(line, pair, raw))
        return pair

    def _survey(self) -> dict[str, int]:
        """Each label of the whole file, and the line where it first stands."""
        return first_lines(self._raw_labels())

    def _raw_labels(self) -> Iterator[tuple[int, Any]]:
        """(line, label as it stands there); rows that do not fit are passed over."""
        row: Any
        for line, row in self._open().rows:
            if isinstance(row, DataError):
                continue
            try:
                place = (self.places or self._places_of_keys(line, row)).label
            except DataError:
                continue
            if place is not None:
                yield line, row[place]

    def _named(self, first: Sequence[str]) -> NamedColumns | None:
        """What the first row of a table says of the columns; None where it is no header, or not understood."""
        if self.how.by_number:
            return None
        if not self.how.columns:
            return header_of(first)
        usual = named_columns(first)
        given = {role: self.how.place_of(role, first) for role in self.how.columns}
        sentence1 = given.get("sentence1", usual.sentence1 if usual else None)
        sentence2 = given.get("sentence2", usual.sentence2 if usual else None)
        label = given["label"] if "label" in given else next((first.index(name) for name in label_keys(first)), None)
        return None if sentence1 is None or sentence2 is None else NamedColumns(sentence1, sentence2, label)

    def _places_of_table(self, file: RowFile) -> Places:
        first, line = file.first, file.first_line
        if file.names is not None:
            if self.header is False:
                raise DataError(self.path, f"expected no header, found {listed(first)!r}", line)
            if "label" not in self.how.columns and len(labels := label_keys(first)) > 1:
                raise DataError(self.path, f"expected one label, found {listed(labels)}{naming_hint(first)}", line)
            if file.form != CSV and any(name.strip().startswith('"') for name in first):
                raise DataError(self.path, "the header is quoted, so texts may be too: save the file as CSV", line)
            found = self._named(first)
            assert found is not None
            return Places(found.sentence1, found.sentence2, found.label)
        if self.how.by_number:
            return Places(
                *(self._place_by_number(role, len(first), line) for role in ("sentence1", "sentence2", "label"))
            )
        if missing := [name for role, name in self.how.columns.items() if self.how.place_of(role, first) is None]:
            raise DataError(self.path, f"no column {missing[0]!r}; found {listed(first)}{naming_hint(first)}", line)
        if file.form == CSV:
            found_header = ",".join(first)[:80]
            raise DataError(
                self.path, f"expected the header {EXPECTED_HEADER}, found {found_header!r}{naming_hint(first)}", line
            )
        if self.header is True:
            example = "text_a<TAB>text_b<TAB>label"
            raise DataError(self.path, f"expected a header such as {example}, found {first[0][:30]!r}", line)
        if len(first) not in IN_ORDER:
            said = f"expected 3 {file.kind}".strip()
            hint = line_ends(first) or (f" ({listed(first)}){naming_hint(first)}" if len(first) > 3 else "")
            raise DataError(self.path, f"{said} columns, found {len(first)}{hint}", line)
        in_order = IN_ORDER[len(first)]
        return Places(in_order.sentence1, in_order.sentence2, in_order.label)

    def _place_by_number(self, role: str, width: int, line: int) -> int | None:
        given = self.how.columns.get(role)
        if role == "label" and not given:
            return None
        place = self.how.place_of(role, [""] * width) if given else {"sentence1": 0, "sentence2": 1}[role]
        if place is None:
            raise DataError(self.path, f"no column {given}; a row has {width}, counted from 1", line)
        return place

    def _wanted(self, names: Sequence[str]) -> list[str]:
        return [key for key in self._places_of_keys(1, names) if key is not None]

    def _places_of_keys(self, line: int, keys: Iterable[str]) -> Places:
        """The keys of the two sentences and of the label; raises DataError where a sentence's is missing, or where
        several name a label."""
        names = tuple(keys)
        if names not in self._keys:
            self._keys[names] = self._find_keys(line, names)
        return self._keys[names]

    def _find_keys(self, line: int, names: tuple[str, ...]) -> Places:
        found = dict(zip(("sentence1", "sentence2"), sentence_keys(names), strict=True))
        for role in self.how.columns:
            at = self.how.place_of(role, names)
            found[role] = None if at is None else names[at]
        for role in ("sentence1", "sentence2"):
            if found[role] is None:
                missing = self.how.columns.get(role) or missing_key(names)
                shown = listed(names) or "no key"
                raise DataError(self.path, f"missing key {missing!r}; found {shown}{naming_hint(names)}", line)
        if "label" not in self.how.columns:
            labels = label_keys(names)
            if len(labels) > 1:
                raise DataError(self.path, f"expected one label, found {listed(labels)}{naming_hint(names)}", line)
            found["label"] = labels[0] if labels else None
        return Places(found["sentence1"], found["sentence2"], found["label"])


def header_of(first: Sequence[str]) -> NamedColumns | None:
    """What a first row says of the columns by their usual names; None where it is a pair: two sentences may read like
    names, but what has a label is no header. Of three columns the third is the label, whatever it is called."""
    found = named_columns(first)
    if found is None or (len(first) == 3 and first[2].strip() in ("0", "1")):
        return None
    is_third = len(first) == 3 and found.label is None and {found.sentence1, found.sentence2} == {0, 1}
    return NamedColumns(found.sentence1, found.sentence2, 2) if is_third else found
