"""Check that every measured figure on the pages is in a result file. Lists all that are not, and exits with 2.

    python docs/check_figures.py [PAGE.md ...]

A block (paragraph, heading, list or table) that prints figures comes after a comment that names their files:

    <!-- figures: docs/results/demo.json docs/results/trick_cost.json -->

In such a block every number must be one of those files, rounded to the digits that are printed. A percentage may be a
hundred times its number; numbers inside the files' names and texts count. The line of a table whose first cell (all of
it, or inline code in it) is a name in the files, a key or an object's text, is looked up below that name alone.

A block without the comment holds no decimal, percentage, ratio such as 3x or number with thousands separators. What is
set and not measured is written as inline code with its name: `torch 2.13`, `lr 5e-4`, `95 % interval`. A bare figure in
inline code is refused. Code blocks, addresses of links and versions such as 3.11.7 are not read.

What this cannot see: whether the words around a figure describe it rightly.
"""

from __future__ import annotations

import argparse
import csv
import json
import re
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.tree import SyntaxTreeNode

ROOT = Path(__file__).resolve().parent.parent
PAGES = (
    "README.md", "README.zh-CN.md", "docs/CORPORA.zh-CN.md", "docs/RESULTS.md", "docs/POSTTRAINING.md",
    "docs/FINE_TUNING.md",
)  # fmt: skip
RESULTS = "docs/results/"
MOST_NUMBERS = 5000  # among more than these any figure is found by chance

MARK = re.compile(r"\s*<!--\s*figures:(?P<sources>.*?)-->\s*", re.DOTALL)
LETTER = re.compile(r"[^\W\d_]")
COMMENT = re.compile(r"\s*(<!--.*?-->\s*)+", re.DOTALL)
NUMBER = re.compile(
    r"""\d+(?:\.\d+){2,}                                   # a version or an address: passed over
    | (?<![\w.])(?<![A-Za-z]-)                             # not the 1 of F1, nor the 4 of BLEU-4
      (?P<sign>(?<![)\]])[-+\u2212](?=[.\d]))?
      (?P<digits>\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d*\.\d+|\d+)
      (?P<exponent>[eE][-+]?\d+)?
      (?P<unit>\s?[%％]|[x×](?!\w))?""",
    re.VERBOSE | re.ASCII,
)

Json = Any
Problem = tuple[int, str]
"""Line, 1-based, and what is wrong there."""


@dataclass(frozen=True)
class StatedFigure:
    """A number as printed. line: 1-based in its page; signed: whether a plus or minus precedes it."""

    text: str
    value: Decimal
    line: int
    signed: bool
    percentage: bool
    whole: bool

    def is_rounded(self, number: Decimal) -> bool:
        """Whether the number, rounded to as many digits, is what is printed; without a sign its size counts."""
        half = Decimal(1).scaleb(self.value.as_tuple().exponent) / 2
        size = number if self.signed else abs(number)
        return abs(size - self.value) <= half or (self.percentage and abs(100 * size - self.value) <= half)


def figures_in(text: str, line: int = 1) -> Iterator[StatedFigure]:
    for found in NUMBER.finditer(text):
        if not (digits := found["digits"]):
            continue
        sign = (found["sign"] or "").replace("\u2212", "-")
        unit = (found["unit"] or "").strip()
        yield StatedFigure(
            found[0].strip(),
            Decimal(sign + digits.replace(",", "") + (found["exponent"] or "")),
            line + text.count("\n", 0, found.start()),
            signed=bool(sign),
            percentage=unit in ("%", "％"),
            whole=digits.isdigit() and not found["exponent"] and not unit,
        )


def read_result(path: Path) -> Json:
    """A result file's content; a CSV as a list of rows by the names of its columns. Raises ValueError."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".csv":
        return list(csv.DictReader(text.splitlines()))
    return json.loads(text, parse_float=Decimal, parse_constant=lambda _: None)


def read_sources(sources: list[str], root: Path) -> tuple[list[Json], list[str]]:
    """(contents, what is wrong with them)."""
    results, faults = [], [] if sources else ["the comment names no source"]
    for source in sources:
        if not source.startswith(RESULTS) or ".." in source or Path(source).suffix not in (".json", ".csv"):
            faults.append(f"{source}: expected a .json or .csv file below {RESULTS}")
        elif not (root / source).is_file():
            faults.append(f"{source}: no such file")
        else:
            try:
                results.append(read_result(root / source))
            except ValueError as error:
                faults.append(f"{source}: cannot be read: {error}")
    if sum(1 for result in results for _ in numbers_in(result)) > MOST_NUMBERS:
        faults.append(f"{' '.join(sources)}: more than {MOST_NUMBERS} numbers, among which any figure would be found")
    return results, faults


def numbers_in(result: Json) -> Iterator[Decimal]:
    """Every number of a result, those in its keys and texts as well."""
    if isinstance(result, dict):
        for key, value in result.items():
            yield from numbers_in(key)
            yield from numbers_in(value)
    elif isinstance(result, list):
        for value in result:
            yield from numbers_in(value)
    elif isinstance(result, str):
        yield from (figure.value for figure in figures_in(result.replace("_", " ")))
    elif isinstance(result, (int, Decimal)) and not isinstance(result, bool):
        yield Decimal(result)


def named(result: Json, name: str) -> Iterator[Json]:
    """The parts of a result with this name: the values under it as a key, and objects that hold it as a text."""
    if isinstance(result, dict):
        if name in (value for value in result.values() if isinstance(value, str)):
            yield result
            return
        if name in result:
            yield result[name]
    for value in result.values() if isinstance(result, dict) else result if isinstance(result, list) else ():
        yield from named(value, name)


def numbers_below(results: Sequence[Json], names: Iterable[str]) -> set[Decimal]:
    """The numbers below all of those names that the results know."""
    parts = list(results)
    for name in names:
        if below := [part for result in parts for part in named(result, name)]:
            parts = [*below, name]
    return {number for part in parts for number in numbers_in(part)}


@dataclass(frozen=True)
class Passage:
    """A paragraph's or table cell's text without its inline code, and that code with its lines. names: what the first
    cell of its table's line may name, all of it as it is read and each inline code."""

    text: str
    line: int
    codes: tuple[tuple[str, int], ...]
    names: tuple[str, ...] = ()


def iter_passages(block: SyntaxTreeNode) -> Iterator[Passage]:
    for node in block.walk():
        if node.type == "inline":
            first_cell = node.parent.parent.children[0] if node.parent.type in ("td", "th") else None
            yield Passage(*_read(node), cell_names(first_cell) if first_cell else ())


def _read(inline: SyntaxTreeNode) -> tuple[str, int, tuple[tuple[str, int], ...]]:
    first_line = inline.map[0] + 1
    text, codes = "", []
    for node in inline.walk():
        if node.type in ("softbreak", "hardbreak"):
            text += "\n"
        elif node.type == "text":
            text += node.content
        elif node.type == "code_inline":
            codes.append((node.content, first_line + text.count("\n")))
            text += "`"  # keeps the texts before and after it apart
    return text, first_line, tuple(codes)


def cell_names(cell: SyntaxTreeNode) -> tuple[str, ...]:
    words = [node for node in cell.walk() if node.type in ("text", "code_inline")]
    whole = "".join(node.content for node in words)
    return tuple(dict.fromkeys([whole, *(node.content for node in words if node.type == "code_inline")]))


def find_problems(page: Path, root: Path = ROOT) -> Iterator[str]:
    """What is wrong on one page, as `file:line: what`. Sources are looked for below root."""
    where = page.relative_to(root) if page.is_relative_to(root) else page
    try:
        text = page.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        yield f"{where}: cannot be read: {error}"
        return
    markdown = MarkdownIt("commonmark").enable("table").parse(text)
    sources: list[str] | None = None
    marked_at = 0
    for block in SyntaxTreeNode(markdown).children:
        mark = MARK.fullmatch(block.content) if block.type == "html_block" else None
        if mark and sources is not None:
            yield f"{where}:{marked_at}: the comment names sources of nothing"
        if mark:
            sources, marked_at = mark["sources"].split(), block.map[0] + 1
            continue
        passages = list(iter_passages(block))
        problems = _hidden(block, passages)
        problems += _unsourced(passages) if sources is None else _unfounded(passages, sources, marked_at, root)
        yield from (f"{where}:{line}: {what}" for line, what in problems)
        sources = None
    if sources is not None:
        yield f"{where}:{marked_at}: the comment names sources of nothing"


def _hidden(block: SyntaxTreeNode, passages: Iterable[Passage]) -> list[Problem]:
    """Figures where they would not be looked at: in HTML, or alone in inline code."""
    problems = [
        (node.map[0] + 1, "expected Markdown, or a comment before a whole block; figures in HTML are not read")
        for node in block.walk()
        if node.type == "html_block" and (not COMMENT.fullmatch(node.content) or MARK.fullmatch(node.content))
    ]
    for code, line in (code for passage in passages for code in passage.codes):
        is_bare = LETTER.search(NUMBER.sub("", code)) is None
        if is_bare and not all(figure.whole for figure in figures_in(code)):
            what = f"figure {code} alone in inline code: write a setting with its name, a measured figure plainly"
            problems.append((line, what))
    return problems


def _unsourced(passages: Iterable[Passage]) -> list[Problem]:
    advice = (
        f"put <!-- figures: {RESULTS}FILE.json --> before its block, or write a setting, with its name, as inline code"
    )
    figures = (figure for passage in passages for figure in figures_in(passage.text, passage.line))
    return [(figure.line, f"figure {figure.text} has no source: {advice}") for figure in figures if not figure.whole]


def _unfounded(passages: Iterable[Passage], sources: list[str], marked_at: int, root: Path) -> list[Problem]:
    """Figures that are in none of the block's sources, and what is wrong with the comment that names them."""
    results, problems = read_sources(sources, root)
    if problems:
        return [(marked_at, problem) for problem in problems]
    pools = [(passage, numbers_below(results, passage.names)) for passage in passages]
    figures = [(figure, pool) for passage, pool in pools for figure in figures_in(passage.text, passage.line)]
    if not figures:
        return [(marked_at, "the comment names sources, and the block after it holds no figure")]
    return [
        (figure.line, f"figure {figure.text} is in none of {' '.join(sources)}")
        for figure, pool in figures
        if not any(map(figure.is_rounded, pool))
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pages", nargs="*", type=Path, default=[ROOT / page for page in PAGES], metavar="PAGE.md")
    pages = parser.parse_args(arguments).pages
    problems = [problem for page in pages for problem in find_problems(page.resolve())]
    for problem in problems:
        print(problem, file=sys.stderr)
    print(f"{len(pages)} pages: " + (f"{len(problems)} problems" if problems else "every figure is in its result file"))
    return 2 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
