"""THS2021: 41,756 pairs of questions about stocks and accounts, for a contest on matching across domains (2021)."""

from __future__ import annotations

from final_project.data.corpora.entry import Corpus, Part
from final_project.data.corpora.readers.columns import LABEL_SENTENCES, SENTENCES, SENTENCES_LABEL
from final_project.data.corpora.readers.rows import Rows

THS2021 = Corpus(
    name="THS2021",
    folders=("ths2021", "tonghuashun"),
    parts=(
        Part("train", "train", ("train.tsv", "train.txt", "train.csv"), (10_478, 31_278)),
        Part("test", "test", ("test.tsv", "test.txt", "test.csv"), merged=False),
    ),
    read=Rows(layouts=(LABEL_SENTENCES, SENTENCES_LABEL, SENTENCES)),
    counts=(10_478, 31_278),
    raw_format="label<TAB>source<TAB>target, label first, no header; test source<TAB>target",
    label_rule="as given",
    licence="terms of the contest; no licence stated: take it as for research only",
    source="http://contest.aicubes.cn/#/detail?topicId=23; copy: https://github.com/Jarviswx/tonghuashun_text_matching",
    citation="Hithink RoyalFlush AI contest 2021, cross-domain text matching",
)
