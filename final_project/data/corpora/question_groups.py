"""DIAC's XML: groups of questions that ask the same, each with questions that come near and do not.

    <TrainCorpus>
      <Questions number="0">
        <EquivalenceQuestions> <question>...</question> ... </EquivalenceQuestions>
        <NotEquivalenceQuestions> <question>...</question> ... </NotEquivalenceQuestions>
      </Questions>

Read as a stream by expat, one group in memory. No document type and hence no entities: they can blow a small file up
to gigabytes, and the corpus has none.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path
from xml.parsers import expat

from final_project.data.corpora.rows import Rows
from final_project.data.lines import MAX_LINE_BYTES, read_lines
from final_project.data.pairs import Pair
from final_project.errors import DataError

SAME, NOT_SAME = "EquivalenceQuestions", "NotEquivalenceQuestions"
INSIDE = {"": ("TrainCorpus",), "TrainCorpus": ("Questions",), "Questions": (SAME, NOT_SAME)}
INSIDE |= {SAME: ("question",), NOT_SAME: ("question",), "question": ()}

read_rows = Rows()


def read_groups_or_rows(path: Path) -> Iterator[Pair]:
    """The pairs of a file of groups or, where it is none, of rows."""
    _, first = next(read_lines(path))
    return read_groups(path) if first.lstrip().startswith("<") else read_rows(path)


def read_groups(path: Path) -> Iterator[Pair]:
    """The pairs of all groups: (x, y) with label 1 for every two places x, y of the equivalent questions, in either
    order; then label 0 for every equivalent with every other question. Questions are stripped, empty ones left out,
    repeated ones kept. Raises DataError with file and line on the first fault."""
    handlers = _Handlers(path)
    for line, text in read_lines(path):
        handlers.feed(line, text)
        for same, not_same in handlers.take():
            for one, other in itertools.permutations(same, 2):
                yield Pair(one, other, 1)
            for one, other in itertools.product(same, not_same):
                yield Pair(one, other, 0)
    handlers.close()


class _Handlers:
    """What expat calls. It keeps the open elements and the groups that are complete."""

    def __init__(self, path: Path):
        self.path = path
        self.open: list[str] = [""]
        self.questions: dict[str, list[str]] = {}
        self.pieces: list[str] = []
        self.n_characters = 0
        self.complete: list[tuple[list[str], list[str]]] = []
        self.last_line = 0
        # An encoding given here overrules the declaration's "utf8", which expat does not know.
        self.parser = expat.ParserCreate("utf-8")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.StartDoctypeDeclHandler = self._doctype

    def feed(self, line: int, text: str) -> None:
        # read_lines leaves out blank lines; expat counts them.
        self._parse("\n" * (line - self.last_line - 1) + text + "\n", is_last=False)
        self.last_line = line

    def close(self) -> None:
        self._parse("", is_last=True)

    def take(self) -> list[tuple[list[str], list[str]]]:
        complete, self.complete = self.complete, []
        return complete

    def _parse(self, text: str, is_last: bool) -> None:
        try:
            self.parser.Parse(text, is_last)
        except expat.ExpatError as error:
            raise DataError(self.path, f"broken XML: {expat.ErrorString(error.code)}", error.lineno) from error

    def _fault(self, what: str) -> DataError:
        return DataError(self.path, what, self.parser.CurrentLineNumber)

    def _doctype(self, *_: object) -> None:
        raise self._fault("a document type declaration; expected plain elements without it")

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        expected = INSIDE[self.open[-1]]
        if name not in expected:
            raise self._fault(f"expected {' or '.join(expected) or 'no element'}, found <{name}>")
        self.open.append(name)
        if name == "Questions":
            self.questions = {SAME: [], NOT_SAME: []}

    def _end(self, name: str) -> None:
        self.open.pop()
        if name == "question":
            question = "".join(self.pieces).strip()
            if question:
                self.questions[self.open[-1]].append(question)
            self.pieces, self.n_characters = [], 0
        elif name == "Questions":
            self.complete.append((self.questions[SAME], self.questions[NOT_SAME]))

    def _text(self, text: str) -> None:
        if self.open[-1] == "question":
            self.pieces.append(text)
            self.n_characters += len(text)
            if self.n_characters > MAX_LINE_BYTES:
                raise self._fault(f"a question longer than {MAX_LINE_BYTES:,} characters")
        elif text.strip():
            raise self._fault(f"expected an element inside <{self.open[-1]}>, found text {text.strip()[:30]!r}")
