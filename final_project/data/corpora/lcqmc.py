"""LCQMC: 260,068 pairs of questions asked on Baidu Knows (Harbin Institute of Technology, 2018)."""

from __future__ import annotations

from final_project.data.corpora.entry import Corpus, Part
from final_project.data.corpora.readers.rows import Rows

LCQMC = Corpus(
    name="LCQMC",
    folders=("lcqmc",),
    parts=(
        Part("train", "train", ("train.tsv", "train.txt", "train.csv", "LCQMC.train.data"), (138_574, 100_192)),
        Part("dev", "dev", ("dev.tsv", "dev.txt", "dev.csv", "LCQMC.valid.data"), (4_402, 4_400)),
        Part("test", "test", ("test.tsv", "test.txt", "test.csv", "LCQMC.test.data"), (6_250, 6_250)),
        Part(
            "test_unlabelled",
            "test",
            ("test_unlabelled.tsv", "test_unlabelled.txt", "test_unlabelled.csv"),
            merged=False,
            inside="test",
        ),
    ),
    read=Rows(),
    counts=(149_226, 110_842),
    raw_format="text_a<TAB>text_b<TAB>label, with a header or without; the contest's copy of test without label",
    label_rule="as given",
    licence="on application to HIT: for research only, not to be passed on",
    source="http://icrc.hitsz.edu.cn/info/1037/1146.htm, after application",
    citation="Liu et al., LCQMC: A Large-scale Chinese Question Matching Corpus, COLING 2018",
)
