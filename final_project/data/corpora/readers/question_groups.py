"""DIAC's XML: groups of questions that ask the same, each with questions that come near and do not.

    <TrainCorpus>
      <Questions number="0">
        <EquivalenceQuestions> <question>...</question> ... </EquivalenceQuestions>
        <NotEquivalenceQuestions> <question>...</question> ... </NotEquivalenceQuestions>
      </Questions>

Read as a stream by expat, a block at a time. A document type is refused and with it every entity: entities can blow a
small file up to gigabytes, and the corpus has none.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from xml.parsers import expat

from final_project.data.corpora.readers.rows import Rows
from final_project.data.files.lines import MAX_LINE_BYTES, read_lines
from final_project.data.records import Pair
from final_project.errors import DataError

SAME, NOT_SAME = "EquivalenceQuestions", "NotEquivalenceQuestions"
INSIDE = {
    "the file": ("TrainCorpus",),
    "TrainCorpus": ("Questions",),
    "Questions": (SAME, NOT_SAME),
    SAME: ("question",),
    NOT_SAME: ("question",),
    "question": (),
}

# Characters given to expat at once. It scans an unfinished tag anew with every piece, so a tag that never ends would
# take time that grows with the square of the number of pieces.
BLOCK = 1_000_000

Group = dict[str, list[str]]  # SAME and NOT_SAME -> questions

read_rows = Rows()


def read_groups_or_rows(path: Path) -> Iterator[Pair]:
    """The pairs of a file of groups or, where it does not begin like XML, of rows."""
    _, first = next(read_lines(path))
    first = first.strip()
    return read_groups(path) if first.startswith("<") and "\t" not in first else read_rows(path)


def read_groups(path: Path) -> Iterator[Pair]:
    """The pairs of all groups, in order. Label 1: (x, y) and (y, x) of every two equivalent questions that differ;
    then label 0: every equivalent question with every one that is not. Questions are stripped, empty ones left out,
    repeated ones kept. Raises DataError with file and line on the first fault."""
    for group in _iter_groups(path):
        for one, other in itertools.permutations(group[SAME], 2):
            if one != other:
                yield Pair(one, other, 1)
        for one, other in itertools.product(group[SAME], group[NOT_SAME]):
            yield Pair(one, other, 0)


def _iter_groups(path: Path) -> Iterator[Group]:
    parser = _GroupParser(path)
    for block in _blocks(path):
        parser.feed(block)
        yield from parser.take_groups()
    parser.close()
    yield from parser.take_groups()


def _blocks(path: Path) -> Iterator[str]:
    """The file's text in blocks of whole lines, the blank ones that read_lines leaves out among them: expat counts."""
    held, n_held, last_line = [], 0, 0
    for line, text in read_lines(path):
        held.append("\n" * (line - last_line - 1) + text + "\n")
        n_held += len(text)
        last_line = line
        if n_held > BLOCK:
            yield "".join(held)
            held, n_held = [], 0
    yield "".join(held)


class _GroupParser:
    """Expat's handlers. Holds the names of the open elements and the groups that are complete."""

    def __init__(self, path: Path):
        self._path = path
        self._open = ["the file"]
        self._group: Group = {}
        self._complete: list[Group] = []
        self._pieces: list[str] = []
        self._n_since_tag = 0
        # The encoding given here overrules the declaration's "utf8", a name that expat does not know.
        self._expat = expat.ParserCreate("utf-8")
        self._expat.StartDoctypeDeclHandler = self._refuse_doctype
        self._expat.StartElementHandler = self._start
        self._expat.EndElementHandler = self._end
        self._expat.CharacterDataHandler = self._text

    def feed(self, block: str) -> None:
        self._n_since_tag += len(block)
        self._parse(block)
        if self._n_since_tag > MAX_LINE_BYTES:
            raise self._fault(f"no whole tag in the next {MAX_LINE_BYTES:,} characters")

    def close(self) -> None:
        self._parse("", is_last=True)

    def take_groups(self) -> list[Group]:
        taken, self._complete = self._complete, []
        return taken

    def _parse(self, text: str, is_last: bool = False) -> None:
        try:
            self._expat.Parse(text, is_last)
        except expat.ExpatError as error:
            raise DataError(self._path, f"broken XML: {expat.ErrorString(error.code)}", error.lineno) from error

    def _fault(self, what: str) -> DataError:
        return DataError(self._path, what, self._expat.CurrentLineNumber)

    def _refuse_doctype(self, *_: object) -> None:
        raise self._fault("a document type declaration, which could define entities; expected none")

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        expected = INSIDE[self._open[-1]]
        if name not in expected:
            allowed = " or ".join(f"<{other}>" for other in expected) or "no element"
            raise self._fault(f"expected {allowed} inside {self._open[-1]}, found <{name[:30]}>")
        self._open.append(name)
        self._n_since_tag = 0
        if name == "Questions":
            self._group = {SAME: [], NOT_SAME: []}

    def _end(self, name: str) -> None:
        self._open.pop()
        self._n_since_tag = 0
        if name == "question":
            if question := "".join(self._pieces).strip():
                self._group[self._open[-1]].append(question)
            self._pieces = []
        elif name == "Questions":
            self._complete.append(self._group)

    def _text(self, text: str) -> None:
        if self._open[-1] == "question":
            self._pieces.append(text)
        elif text.strip():
            raise self._fault(f"expected no text inside {self._open[-1]}, found {text.strip()[:30]!r}")
