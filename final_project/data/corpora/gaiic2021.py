"""GAIIC2021_Task3: 177,173 pairs of short utterances to OPPO's assistant XiaoBu.

The contest gave them as numbers of an unknown vocabulary; the collection took the plain text that OPPO gave to Luge.
"""

from __future__ import annotations

import itertools
from pathlib import Path

from final_project.data.corpora.entry import Corpus, Part
from final_project.data.corpora.readers.rows import Rows

LOOKED_AT = 20  # rows; a row of plain text may be digits only, so many in a row are not

read_gaiic = Rows()


def numbers_are_no_text(path: Path) -> str | None:
    """Why the file is no text to train on, or None where it is."""
    sides = [
        side for pair in itertools.islice(read_gaiic(path), LOOKED_AT) for side in (pair.sentence1, pair.sentence2)
    ]
    if not all(side.replace(" ", "").isdecimal() for side in sides):
        return None
    return (
        f"the words are numbers of a vocabulary that was never published (first row: {sides[0][:30]!r}), "
        "so a language model learns nothing from them; get the plain-text OPPO XiaoBu set from Luge instead"
    )


GAIIC2021_TASK3 = Corpus(
    name="GAIIC2021_Task3",
    folders=("oppo_xiaobu", "OPPO-xiaobu", "gaiic2021", "oppo-xiaobu"),
    parts=(
        Part("train", "train", ("train.json", "train.txt", "train.tsv", "train", "train.csv"), (51_768, 115_405)),
        Part("dev", "dev", ("dev.json", "dev.txt", "dev.tsv", "dev", "dev.csv"), (3_037, 6_963)),
        Part("test", "test", ("test.json", "test.txt", "test.tsv", "test", "test.csv"), merged=False),
        Part("round1_numbers", "train", ("gaiic_track3_round1_train_20210228.tsv",), merged=False),
        Part("round2_numbers", "train", ("gaiic_track3_round2_train_20210407.tsv",), merged=False),
        Part("testA_numbers", "test", ("gaiic_track3_round1_testA_20210228.tsv",), merged=False),
        Part("testB_numbers", "test", ("gaiic_track3_round1_testB_20210317.tsv",), merged=False),
    ),
    read=read_gaiic,
    counts=(54_805, 122_368),
    raw_format="q1<TAB>q2<TAB>label, no header; the contest's own files hold numbers in place of words",
    label_rule="as given",
    licence="terms of Luge, and of the contest on Tianchi; no licence stated: take it as for research only",
    source="https://www.luge.ai/#/luge/dataDetail?id=28 (plain text); contest: https://tianchi.aliyun.com/competition/entrance/531851",
    citation="GAIIC 2021, track 3: short text matching for the XiaoBu assistant, OPPO",
    why_not_text=numbers_are_no_text,
)
