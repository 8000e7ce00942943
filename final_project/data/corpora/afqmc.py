"""AFQMC: 38,650 pairs of questions to Ant Financial's customer service; digits are masked as ***."""

from __future__ import annotations

from final_project.data.corpora.entry import Corpus, Part
from final_project.data.corpora.readers.rows import Rows

AFQMC = Corpus(
    name="AFQMC",
    folders=("afqmc", "afqmc_public"),
    parts=(
        Part("train", "train", ("train.json", "train.txt", "train.tsv", "train.csv"), (10_573, 23_761)),
        Part("dev", "dev", ("dev.json", "dev.txt", "dev.tsv", "dev.csv"), (1_338, 2_978)),
        Part(
            "test",
            "test",
            ("test.json", "test.txt", "test.tsv", "test.csv", "test_unlabelled.txt", "test_unlabelled.tsv"),
            merged=False,
        ),
    ),
    read=Rows(),
    counts=(11_911, 26_739),
    raw_format='JSON lines: sentence1, sentence2, label "0" or "1"; test: id, no label',
    label_rule="as given",
    licence="terms of Tianchi and CLUE: for research only",
    source="https://tianchi.aliyun.com/dataset/106411 or https://github.com/CLUEbenchmark/CLUE; "
    "copy: https://github.com/zejunwang1/CSTS",
    citation="Xu et al., CLUE: A Chinese Language Understanding Evaluation Benchmark, COLING 2020",
)
