"""Chinese-SNLI: 564,339 pairs, SNLI's descriptions of pictures translated by machine and partly corrected (CNSD)."""

from __future__ import annotations

from final_project.data.corpora.entry import Corpus, Part
from final_project.data.corpora.readers.labels import ENTAILMENT, ZERO_ONE
from final_project.data.corpora.readers.rows import Rows

CHINESE_SNLI = Corpus(
    name="Chinese-SNLI",
    folders=("csnli", "cnsd-snli", "cnsd_snli"),
    parts=(
        Part(
            "train",
            "train",
            ("cnsd_snli_v1.0.train.jsonl", "train.json", "train.txt", "train.tsv", "train.csv"),
            (182_210, 363_639),
        ),
        Part(
            "dev",
            "dev",
            ("cnsd_snli_v1.0.dev.jsonl", "dev.json", "dev.txt", "dev.tsv", "dev.csv"),
            (3_162, 6_152),
        ),
        Part(
            "test",
            "test",
            ("cnsd_snli_v1.0.test.jsonl", "test.json", "test.txt", "test.tsv", "test.csv"),
            (3_146, 6_030),
        ),
    ),
    read=Rows(rules=(ENTAILMENT, ZERO_ONE)),
    counts=(188_518, 375_821),
    raw_format="JSON lines: sentence1, sentence2, gold_label",
    label_rule="entailment 1; neutral and contradiction 0; - dropped",
    licence="for academic use only (CNSD)",
    source="https://github.com/pluto-junzeng/CNSD; copy of dev and test: https://github.com/zejunwang1/CSTS",
    citation="Bowman et al., A large annotated corpus for learning natural language inference, EMNLP 2015; CNSD",
)
