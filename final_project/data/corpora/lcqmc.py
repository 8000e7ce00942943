"""LCQMC: 238,766 / 8,802 / 12,500 pairs of questions (Harbin Institute of Technology, 2018)."""

from __future__ import annotations

from final_project.data.corpora.entry import Corpus
from final_project.data.tables import read_pairs

FOLDERS = ("LCQMC", "lcqmc", "corpora/lcqmc", "corpora/LCQMC")
ENDINGS = ("tsv", "txt", "csv")


def _places(*stems: str) -> tuple[str, ...]:
    return tuple(f"{folder}/{stem}.{ending}" for stem in stems for folder in FOLDERS for ending in ENDINGS)


LCQMC = Corpus(
    name="LCQMC",
    places={"train": _places("train"), "dev": _places("dev"), "test": _places("test", "test_unlabelled")},
    read=read_pairs,
    raw_format="text_a<TAB>text_b<TAB>label, with or without a header, the test without label; or CSV",
    licence="on application to HIT, for research; not to be passed on",
    source="http://icrc.hitsz.edu.cn/info/1037/1146.htm, after application",
)
