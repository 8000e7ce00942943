"""The registry of corpora: what each is called, where its files lie, how they are read, on what terms it comes.

One file here and one entry in CORPORA is all that another corpus takes.
"""

from __future__ import annotations

import argparse
import difflib
import logging
from pathlib import Path

from final_project.cli import print_json
from final_project.data.corpora import lcqmc
from final_project.data.corpora.entry import Corpus
from final_project.data.tables import write_pairs_csv
from final_project.errors import ProjectError

log = logging.getLogger(__name__)

CORPORA: dict[str, Corpus] = {entry.name: entry for entry in (lcqmc.LCQMC,)}

CONTEST_FILE = "sim_interpretation_{}.txt"
CONTEST_PLACES = (CONTEST_FILE, f"xinzhibei/{CONTEST_FILE}", f"corpora/xinzhibei/{CONTEST_FILE}")
CONTEST_SOURCE = (
    "the test sets of the 2022 Xinzhi Cup contest, one JSON object a line: id, query, title, text_q_seg, text_t_seg"
)


def find_corpus(name: str) -> Corpus:
    """The registered corpus of that name, letter case aside."""
    by_lower_name = {known.lower(): entry for known, entry in CORPORA.items()}
    if name.lower() in by_lower_name:
        return by_lower_name[name.lower()]
    close = difflib.get_close_matches(name.lower(), [*by_lower_name, "demo"], n=1, cutoff=0.4)
    hint = f"; did you mean {by_lower_name[close[0]].name if close[0] in by_lower_name else close[0]}?" if close else ""
    raise ProjectError(f"no corpus named {name!r}{hint}; registered: {', '.join(CORPORA)} (and demo for the stages)")


def locate(places: tuple[str, ...], folders: list[Path]) -> Path | None:
    """The first of the relative paths that is a file below one of the folders; folders in order."""
    return next((folder / place for folder in folders for place in places if (folder / place).is_file()), None)


def contest_places(contest_set: str) -> tuple[str, ...]:
    return tuple(place.format(contest_set) for place in CONTEST_PLACES)


def add_command(subparsers: argparse._SubParsersAction) -> None:
    parser = subparsers.add_parser("convert", help="turn a corpus's raw files into one CSV of pairs")
    parser.add_argument("--corpus", required=True, metavar="NAME", help=f"one of: {', '.join(CORPORA)}")
    parser.add_argument(
        "--input", type=Path, required=True, action="append", help="raw file; may be given several times"
    )
    parser.add_argument("--output", type=Path, required=True, help="CSV to write")
    parser.set_defaults(run=_run)


def _run(arguments: argparse.Namespace) -> None:
    corpus = find_corpus(arguments.corpus)
    pairs = [pair for path in arguments.input for pair in corpus.read(path)]
    write_pairs_csv(arguments.output, pairs)
    n_positive = sum(pair.label == 1 for pair in pairs)
    log.info("convert: wrote %s: %d rows, %d positive", arguments.output, len(pairs), n_positive)
    print_json({"corpus": corpus.name, "rows": len(pairs), "positive": n_positive, "output": str(arguments.output)})
