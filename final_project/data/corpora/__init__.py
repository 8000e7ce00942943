"""The registry of corpora: what each is called, where its files lie, how they are read, on what terms it comes.

One file here and one entry in CORPORA is all that another corpus takes.
"""

from __future__ import annotations

import argparse
import collections
import difflib
import logging
from collections.abc import Iterator
from pathlib import Path

from final_project.cli import print_json
from final_project.data.corpora.afqmc import AFQMC
from final_project.data.corpora.ccks2018 import CCKS2018_TASK3
from final_project.data.corpora.chip2019 import CHIP2019
from final_project.data.corpora.cmnli import CHINESE_MNLI
from final_project.data.corpora.covid19 import COVID19
from final_project.data.corpora.csnli import CHINESE_SNLI
from final_project.data.corpora.cstsb import CHINESE_STS_B
from final_project.data.corpora.diac2019 import DIAC2019
from final_project.data.corpora.entry import Corpus
from final_project.data.corpora.gaiic2021 import GAIIC2021_TASK3
from final_project.data.corpora.lcqmc import LCQMC
from final_project.data.corpora.ocnli import OCNLI
from final_project.data.corpora.pawsx import PAWSX
from final_project.data.corpora.pku_paraphrase_bank import PKU_PARAPHRASE_BANK
from final_project.data.corpora.sohu2021 import SOHU_2021
from final_project.data.corpora.ths2021 import THS2021
from final_project.data.corpora.xf2021 import XF2021
from final_project.data.pairs import Pair
from final_project.data.tables import write_pairs_csv
from final_project.errors import DataError, ProjectError

log = logging.getLogger(__name__)

CORPORA: dict[str, Corpus] = {
    entry.name: entry
    for entry in (
        DIAC2019,
        CCKS2018_TASK3,
        LCQMC,
        AFQMC,
        GAIIC2021_TASK3,
        THS2021,
        CHIP2019,
        SOHU_2021,
        COVID19,
        PAWSX,
        XF2021,
        CHINESE_MNLI,
        CHINESE_SNLI,
        CHINESE_STS_B,
        OCNLI,
        PKU_PARAPHRASE_BANK,
    )
}

CONTEST_FILE = "sim_interpretation_{}.txt"
CONTEST_PLACES = (CONTEST_FILE, f"xinzhibei/{CONTEST_FILE}", f"corpora/xinzhibei/{CONTEST_FILE}")
CONTEST_SOURCE = (
    "the test sets of the 2022 Xinzhi Cup contest, one JSON object a line: id, query, title, text_q_seg, text_t_seg"
)


def find_corpus(name: str) -> Corpus:
    """The registered corpus of that name or folder, letter case and punctuation aside: PAWSX, pawsx, PAWS-X zh."""
    by_key = {bare(alias): entry for entry in CORPORA.values() for alias in (*entry.folders, entry.name)}
    if bare(name) in by_key:
        return by_key[bare(name)]
    by_lower_name = {known.lower(): entry for known, entry in CORPORA.items()}
    close = difflib.get_close_matches(name.lower(), [*by_lower_name, "demo"], n=1, cutoff=0.4)
    hint = f"; did you mean {by_lower_name[close[0]].name if close[0] in by_lower_name else close[0]}?" if close else ""
    raise ProjectError(f"no corpus named {name!r}{hint}; registered: {', '.join(CORPORA)} (and demo for the stages)")


def bare(name: str) -> str:
    """The letters and digits of a name, in lower case."""
    return "".join(filter(str.isalnum, name.lower()))


def locate(places: tuple[str, ...], folders: list[Path]) -> Path | None:
    """The first of the relative paths that is a file below one of the folders; folders in order."""
    return next((folder / place for folder in folders for place in places if (folder / place).is_file()), None)


def contest_places(contest_set: str) -> tuple[str, ...]:
    return tuple(place.format(contest_set) for place in CONTEST_PLACES)


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
    said = ", ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    for path in arguments.input:
        if reason := corpus.why_not_text(path):
            log.warning("convert: %s: %s", path, reason)
    log.info("convert: wrote %s: %d rows, %s", arguments.output, n_rows, said)
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
            raise ProjectError(f"--input {path} is given twice: its pairs would be counted twice")
        seen.add(path.resolve())
    if output.resolve() in seen:
        raise ProjectError(f"--output {output} is also an --input, which it would replace")
