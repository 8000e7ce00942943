"""XF2021: 5,000 pairs of an iFLYTEK contest; every one of them, and of its test set, is in LCQMC's train part."""

from __future__ import annotations

from final_project.data.corpora.entry import Corpus, Part
from final_project.data.corpora.readers.rows import Rows

XF2021 = Corpus(
    name="XF2021",
    folders=("xf2021", "xunfei"),
    parts=(
        Part("train", "train", ("train.csv", "train.tsv", "train.txt"), (2_892, 2_108)),
        Part("test", "test", ("test.csv", "test.tsv", "test.txt"), merged=False),
    ),
    read=Rows(),
    counts=(2_892, 2_108),
    raw_format="q1<TAB>q2<TAB>label without a header, in a file named .csv; test q1<TAB>q2",
    label_rule="as given",
    licence="terms of the contest; its rows are LCQMC's: for research only, not to be passed on",
    source="https://challenge.xfyun.cn/topic/info?type=chinese-question-similarity; "
    "copy: https://github.com/JackKuo666/xunfei_chinese_question_similarity_competition",
    citation="iFLYTEK A.I. developer challenge 2021, similarity of Chinese questions",
)
