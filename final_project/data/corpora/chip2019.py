"""CHIP2019: 20,000 pairs of patients' questions on five diseases (Ping An, 2019)."""

from __future__ import annotations

from final_project.data.corpora.entry import Corpus, Part
from final_project.data.corpora.readers.rows import Rows

CHIP2019 = Corpus(
    name="CHIP2019",
    folders=("chip2019", "CHIP-STS"),
    parts=(
        Part("train", "train", ("train.csv", "train.tsv", "train.txt"), (10_000, 10_000)),
        Part("dev", "dev", ("dev_id.csv",), merged=False),
        Part("test", "test", ("test_final.csv",), merged=False),
        # CBLUE's 16,000 and 4,000 are said to be the 20,000 in two parts.
        Part("cblue_train", "train", ("CHIP-STS_train.json",), merged=False, inside="train"),
        Part("cblue_dev", "dev", ("CHIP-STS_dev.json",), merged=False, inside="train"),
        Part("cblue_test", "test", ("CHIP-STS_test.json",), merged=False),
    ),
    read=Rows(),
    counts=(10_000, 10_000),
    raw_format="CSV with the header question1,question2,label,category; dev and test id,question1,question2,category; "
    "CBLUE's form: a JSON array of text1, text2, label, category",
    label_rule="as given",
    licence="terms of the contest on biendata, or of CBLUE; no licence stated: take it as for research only",
    source="https://www.biendata.xyz/competition/chip2019/, or CHIP-STS of https://tianchi.aliyun.com/dataset/95414",
    citation="CHIP 2019, evaluation task 2: transfer learning across diseases, Ping An Health Technology",
)
