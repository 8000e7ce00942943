"""`convert`: turn a corpus's raw files into one CSV of pairs."""

from __future__ import annotations

import argparse
import collections
import logging
from collections.abc import Iterator
from pathlib import Path

from final_project.cli import print_json
from final_project.data.corpora.entry import Corpus
from final_project.data.corpora.registry import CORPORA, find_corpus
from final_project.data.files.tables import write_pairs_csv
from final_project.data.records import Pair
from final_project.errors import DataError, UsageError

log = logging.getLogger(__name__)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--corpus", required=True, metavar="NAME", help=f"one of: {', '.join(CORPORA)}")
    parser.add_argument(
        "--input", type=Path, required=True, action="append", help="raw file; may be given several times"
    )
    parser.add_argument("--output", type=Path, required=True, help="CSV to write")


def run(arguments: argparse.Namespace) -> None:
    corpus = find_corpus(arguments.corpus)
    _check_files(arguments.input, arguments.output)
    labels: collections.Counter[int | None] = collections.Counter()
    n_rows = write_pairs_csv(arguments.output, _counted(corpus, arguments.input, labels))
    counts = {"positive": labels[1], "negative": labels[0], "unlabelled": labels[None]}
    found = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    for path in arguments.input:
        if reason := corpus.why_not_text(path):
            log.warning("convert: %s: %s", path, reason)
    log.info("convert: wrote %s: %d rows, %s", arguments.output, n_rows, found)
    print_json({"corpus": corpus.name, "rows": n_rows, **counts, "output": str(arguments.output)})


def _counted(corpus: Corpus, paths: list[Path], labels: collections.Counter[int | None]) -> Iterator[Pair]:
    """The pairs of the files in order, their labels counted."""
    for path in paths:
        for pair in corpus.read(path):
            labels[pair.label] += 1
            if labels[None] and labels.total() > labels[None]:
                found, others = ("no labels", "some") if pair.label is None else ("labels", "none")
                raise DataError(path, f"has {found} where another input has {others}: convert them into two files")
            yield pair


def _check_files(inputs: list[Path], output: Path) -> None:
    seen: set[Path] = set()
    for path in inputs:
        if path.exists() and not path.is_file():  # a pipe could be read only once, and readers look ahead
            raise DataError(path, "expected a file, found a folder or a pipe")
        if path.resolve() in seen:
            raise UsageError(f"--input {path} is given twice: its pairs would be counted twice")
        seen.add(path.resolve())
    if output.resolve() in seen:
        raise UsageError(f"--output {output} is also an --input, which it would replace")
