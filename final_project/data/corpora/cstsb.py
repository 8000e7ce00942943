"""Chinese-STS-B: 4,473 pairs of the STS benchmark, translated by machine and partly corrected (CNSD)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from final_project.data.corpora.entry import Corpus, Part
from final_project.data.corpora.readers.columns import NAME_SENTENCES_LABEL, SENTENCES, SENTENCES_LABEL
from final_project.data.corpora.readers.labels import SCORES, ZERO_ONE
from final_project.data.corpora.readers.rows import Rows
from final_project.data.files.lines import read_lines
from final_project.data.records import Pair

LAYOUTS = (NAME_SENTENCES_LABEL, SENTENCES_LABEL, SENTENCES)
read_scores = Rows(rules=(SCORES,), layouts=LAYOUTS, separator="||")
# A copy of three columns holds scores or, as the collection's, labels: scores where any is neither 0 nor 1.
read_copy = Rows(rules=(ZERO_ONE, SCORES), layouts=LAYOUTS)


def read_sts_b(path: Path) -> Iterator[Pair]:
    """The pairs of an original file, whose last field is a score even where all are 0 or 1, or of a copy."""
    _, first = next(read_lines(path))
    return (read_scores if first.count("||") > 1 and "\t" not in first else read_copy)(path)


CHINESE_STS_B = Corpus(
    name="Chinese-STS-B",
    folders=("cstsb", "STS-B", "cnsd-sts", "cnsd_sts"),
    parts=(
        Part(
            "train",
            "train",
            ("cnsd-sts-train.txt", "STS-B.train.data", "train.txt", "train.tsv", "train.csv"),
            (252, 2_530),
        ),
        Part("dev", "dev", ("cnsd-sts-dev.txt", "STS-B.valid.data", "dev.txt", "dev.tsv", "dev.csv"), (52, 847)),
        Part("test", "test", ("cnsd-sts-test.txt", "STS-B.test.data", "test.txt", "test.tsv", "test.csv"), (97, 695)),
    ),
    read=read_sts_b,
    counts=(401, 4_072),
    raw_format="id||sentence1||sentence2||score without a header; a copy: sentence1<TAB>sentence2<TAB>score",
    label_rule="score 5 is 1; 0, 1 and 2 are 0; 3 and 4 dropped",
    licence="for academic use only (CNSD)",
    source="https://github.com/pluto-junzeng/CNSD; copy: https://github.com/shuxinyin/SimCSE-Pytorch",
    citation="Cer et al., SemEval-2017 Task 1: Semantic Textual Similarity, SemEval 2017; CNSD",
)
