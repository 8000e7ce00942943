"""COVID19: 10,749 pairs of questions on respiratory diseases; each first question comes about five times (2020)."""

from __future__ import annotations

from final_project.data.corpora.entry import Corpus, Part
from final_project.data.corpora.readers.labels import LabelRule
from final_project.data.corpora.readers.rows import Rows

# The example of a test set has -1 in all rows, for "not known".
ZERO_ONE_OR_UNKNOWN = LabelRule("0 or 1", {"0": 0, "1": 1, "": None, "-1": None})

COVID19 = Corpus(
    name="COVID19",
    folders=("covid19", "epidemic"),
    parts=(
        Part("train", "train", ("train_20200228.csv", "train.csv", "train.tsv", "train.txt"), (3_497, 5_250)),
        Part("dev", "dev", ("dev_20200228.csv", "dev.csv", "dev.tsv", "dev.txt"), (804, 1_198)),
        Part("test", "test", ("test.example_20200228.csv", "test.example.csv"), merged=False),
    ),
    read=Rows(rules=(ZERO_ONE_OR_UNKNOWN,)),
    counts=(4_301, 6_448),
    raw_format="CSV with the header id,category,query1,query2,label; the example of a test set has the label -1",
    label_rule="as given",
    licence="terms of the contest on Tianchi; no licence stated: take it as for research only",
    source="https://tianchi.aliyun.com/competition/entrance/231776; "
    "copy: https://github.com/zzy99/epidemic-sentence-pair",
    citation="Tianchi 2020, contest on similar sentence pairs about the epidemic",
)
