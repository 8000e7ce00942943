"""python -m final_project corpora: what is known of each corpus and, for a data folder, what lies there of it.

For people as tables on the terminal, for programs as JSON, for docs/CORPORA.md as Markdown.
"""

from __future__ import annotations

import argparse
import logging
import shutil
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from rich import box
from rich.console import Console
from rich.table import Column, Table
from rich.text import Text

from final_project.cli import print_json
from final_project.data.corpora.entry import Corpus, Counts
from final_project.data.corpora.inventory import data_folders, places
from final_project.data.corpora.registry import CORPORA
from final_project.data.corpora.stock import Stock, take_stock
from final_project.errors import DataError, UsageError

log = logging.getLogger(__name__)

WIDTH = 120  # of the tables, where the terminal is not narrower
MARKDOWN_HEAD = (
    "corpus",
    "raw files",
    "format",
    "label rule",
    "pairs",
    "positive",
    "negative",
    "licence and terms",
    "where to get it",
    "citation",
)


def as_json(corpora: Sequence[Corpus], stocks: Sequence[Stock] = ()) -> dict[str, Any]:
    """What is known by name of the corpus, what was found where a data folder was looked through, and the totals."""
    answer: dict[str, Any] = {
        "corpora": {corpus.name: _known(corpus) for corpus in corpora},
        "totals": {"published": _counted(_total(corpus.counts for corpus in corpora))},
    }
    for stock in stocks:
        answer["corpora"][stock.corpus.name] |= _found(stock)
    if stocks:
        answer["totals"]["found"] = _counted(_total(stock.total.counts for stock in stocks))
    return answer


def as_markdown(corpora: Sequence[Corpus]) -> str:
    """The table of docs/CORPORA.md; of the files, those that the collection took in."""
    rows: list[tuple[str, ...]] = [MARKDOWN_HEAD, ("---",) * 4 + ("---:",) * 3 + ("---",) * 3]
    for corpus in corpora:
        files = dict(_files(corpus, "`"))["files"]
        reading = map(_markdown, (corpus.raw_format, corpus.label_rule))
        terms = map(_markdown, (corpus.licence, corpus.source, corpus.citation))
        rows.append((corpus.name, files, *reading, *_figures(corpus.counts), *terms))
    rows.append(("**together**", "", "", "", *_figures(_total(corpus.counts for corpus in corpora)), "", "", ""))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _known(corpus: Corpus) -> dict[str, Any]:
    return {
        "parts": {
            part.name: {
                "split": part.split,
                "files": list(part.files),
                "published": _counted(part.counts) if part.counts else None,
                "merged": part.merged,
                "inside": part.inside or None,
            }
            for part in corpus.parts
        },
        "folders": [corpus.name, *corpus.folders],
        "format": corpus.raw_format,
        "label_rule": corpus.label_rule,
        "published": _counted(corpus.counts),
        "licence": corpus.licence,
        "source": corpus.source,
        "citation": corpus.citation,
    }


def _found(stock: Stock) -> dict[str, Any]:
    return {
        "state": stock.state,
        "remark": stock.remark,
        "found": _counted(stock.total.counts),
        "files": {
            name: {"path": str(path)} | ({"found": vars(stock.tallies[name])} if name in stock.tallies else {})
            for name, path in stock.files.items()
        },
        "missing": [part.name for part in stock.missing],
    }


def _counted(counts: Counts) -> dict[str, int]:
    return {"pairs": sum(counts), "positive": counts[0], "negative": counts[1]}


def _total(counts: Iterable[Counts]) -> Counts:
    positive, negative = zip(*counts, strict=True)
    return sum(positive), sum(negative)


def _figures(counts: Counts) -> tuple[str, str, str]:
    return f"{sum(counts):,}", f"{counts[0]:,}", f"{counts[1]:,}"


def _count_text(counts: Counts) -> str:
    return "{} pairs, {} positive, {} negative".format(*_figures(counts))


def _files(corpus: Corpus, quote: str = "") -> Iterator[tuple[str, str]]:
    """The files that the collection took in, and the others: each with its release's name, and those of mirrors."""
    for kind, is_merged in (("files", True), ("also read", False)):
        names = ([f"{quote}{file}{quote}" for file in part.files] for part in corpus.parts if part.merged == is_merged)
        if joined := "; ".join(first + (f" ({', '.join(mirrors)})" if mirrors else "") for first, *mirrors in names):
            yield kind, joined


def _markdown(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace("|", "\\|")


def print_known(corpora: Sequence[Corpus]) -> None:
    table = Table("corpus", "what is known", box=box.SIMPLE_HEAD, show_lines=True)
    for corpus in corpora:
        pairs, positive, negative = _figures(corpus.counts)
        name = Text(f"{corpus.name}\n", style="bold")
        table.add_row(
            name.append(f"{pairs:>9} pairs\n{positive:>9} positive\n{negative:>9} negative", style="not bold"),
            _lines(
                *_files(corpus),
                ("format", corpus.raw_format),
                ("labels", corpus.label_rule),
                ("terms", corpus.licence),
                ("from", corpus.source),
                ("cite", corpus.citation),
            ),
        )
    _print(table)
    print(f"{len(corpora)} corpora: {_count_text(_total(corpus.counts for corpus in corpora))}")


def print_found(stocks: Sequence[Stock], data_dir: Path) -> None:
    columns = (Column("corpus", no_wrap=True), Column("state", width=22), *_figure_columns("positive", "negative"))
    files = Column(f"files below {data_dir}", ratio=1)
    table = Table(*columns, files, box=box.SIMPLE_HEAD, show_lines=True, expand=True)
    for stock in stocks:
        lines = [(name, _below(data_dir, path)) for name, path in stock.files.items()]
        if stock.missing:
            missing = (_below(data_dir, places(stock.corpus, part, data_dir)[0]) for part in stock.missing)
            lines.append(("missing", ", ".join(missing)))
        positive, negative = stock.total.counts
        table.add_row(stock.corpus.name, Text(str(stock)), f"{positive:,}", f"{negative:,}", _lines(*lines))
    _print(table)
    print(f"found: {_count_text(_total(stock.total.counts for stock in stocks))}")
    print(f"published: {_count_text(_total(stock.corpus.counts for stock in stocks))}")


def _figure_columns(*names: str) -> list[Column]:
    return [Column(name, justify="right", no_wrap=True) for name in names]


def _below(data_dir: Path, path: Path) -> str:
    return str(path.relative_to(data_dir) if path.is_relative_to(data_dir) else path)


def _lines(*rows: tuple[str, str]) -> Table:
    """Names in one column, texts in the next, so that a long text stays in the row of its name."""
    lines = Table.grid(Column(no_wrap=True), Column(overflow="fold"), padding=(0, 2, 0, 0))
    for name, text in rows:
        lines.add_row(Text(name, style="dim"), Text(text))
    return lines


def _print(table: Table) -> None:
    Console(width=min(WIDTH, shutil.get_terminal_size((WIDTH, 0)).columns), highlight=False).print(table)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--json", action="store_true", help="one JSON object on standard output")
    form.add_argument("--markdown", action="store_true", help="the table of docs/CORPORA.md")
    parser.add_argument("--data", type=Path, metavar="DIR", help="find and count the corpora below this folder")


def run(arguments: argparse.Namespace) -> int:
    corpora = list(CORPORA.values())
    if arguments.markdown and arguments.data:
        raise UsageError("--markdown shows what is known of the corpora and takes no --data")
    if arguments.markdown:
        print(as_markdown(corpora), end="")
        return 0
    stocks = _stocks(corpora, arguments.data) if arguments.data else []
    if arguments.json:
        print_json(as_json(corpora, stocks))
    else:
        print_known(corpora)
        if stocks:
            print_found(stocks, arguments.data)
    return 2 if any(stock.state == "faulty" for stock in stocks) else 0


def _stocks(corpora: Sequence[Corpus], data_dir: Path) -> list[Stock]:
    if not data_dir.is_dir():
        raise DataError(data_dir, "expected a folder, found " + ("a file" if data_dir.exists() else "nothing"))
    stocks = []
    for corpus in corpora:
        stocks.append(take_stock(corpus, data_folders(data_dir)))
        log.info("corpora: %s: %s", corpus.name, stocks[-1])
    return stocks
