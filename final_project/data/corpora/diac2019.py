"""DIAC2019: 6,036 groups of legal questions, for a contest on adversarial attacks (2019)."""

from __future__ import annotations

from final_project.data.corpora.entry import Corpus, Part
from final_project.data.corpora.readers.question_groups import read_groups_or_rows

DIAC2019 = Corpus(
    name="DIAC2019",
    folders=("diac2019", "DIAC"),
    parts=(
        Part("train", "train", ("train_set.xml", "train.xml", "train.tsv", "train.txt", "train.csv"), (38_446, 61_852)),
        Part("dev", "dev", ("dev_set.csv",), merged=False),
        Part("test", "test", ("test_set.csv",), merged=False),
    ),
    read=read_groups_or_rows,
    counts=(38_446, 61_852),
    raw_format="XML: groups of EquivalenceQuestions and NotEquivalenceQuestions; "
    "dev and test qid<TAB>question1<TAB>question2 with a header, unlabelled",
    label_rule="1: ordered pairs of differing equivalent questions of a group; 0: every equivalent with every other",
    licence="terms of the contest on biendata; no licence stated: take it as for research only",
    source="https://www.biendata.xyz/competition/2019diac/; "
    "copy: https://github.com/julielin123/DIAC2019-DQD-Based-on-Adversarial-Attack",
    citation="DIAC 2019, duplicate question detection based on adversarial attack, biendata",
)
