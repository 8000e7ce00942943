"""The registry of corpora: what each is called, where its files lie, how they are read, on what terms it comes.

One file here and one entry in CORPORA is all that another corpus takes.
"""

from __future__ import annotations

import difflib
from pathlib import Path

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
from final_project.errors import UsageError

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
    raise UsageError(f"no corpus named {name!r}{hint}; registered: {', '.join(CORPORA)} (and demo for the stages)")


def bare(name: str) -> str:
    """The letters and digits of a name, in lower case."""
    return "".join(filter(str.isalnum, name.lower()))


def locate(places: tuple[str, ...], folders: list[Path]) -> Path | None:
    """The first of the relative paths that is a file below one of the folders; folders in order."""
    return next((folder / place for folder in folders for place in places if (folder / place).is_file()), None)


def contest_places(contest_set: str) -> tuple[str, ...]:
    return tuple(place.format(contest_set) for place in CONTEST_PLACES)
