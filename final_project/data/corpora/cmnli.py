"""Chinese-MNLI: 404,024 pairs, MultiNLI translated by machine and partly corrected (CNSD, taken over by CLUE)."""

from __future__ import annotations

from final_project.data.corpora.entry import Corpus, Part
from final_project.data.corpora.readers.labels import ENTAILMENT, ZERO_ONE
from final_project.data.corpora.readers.rows import Rows

CHINESE_MNLI = Corpus(
    name="Chinese-MNLI",
    folders=("cmnli", "cmnli_public", "cnsd-mnli", "cnsd_mnli"),
    parts=(
        Part(
            "train",
            "train",
            ("train.json", "cnsd_multil_train.jsonl", "train.txt", "train.tsv", "train.csv"),
            (130_612, 261_171),
        ),
        Part("dev", "dev", ("dev.json", "dev.txt", "dev.tsv", "dev.csv"), (4_277, 7_964)),
        Part("test", "test", ("test.json", "test.txt", "test.tsv", "test.csv"), merged=False),
        Part("dev_matched", "dev", ("cnsd_multil_dev_matched.jsonl",), merged=False),
        Part("dev_mismatched", "dev", ("cnsd_multil_dev_mismatched.jsonl",), merged=False),
    ),
    read=Rows(rules=(ENTAILMENT, ZERO_ONE)),
    counts=(134_889, 269_135),
    raw_format="JSON lines: sentence1, sentence2, label (CLUE) or gold_label (CNSD)",
    label_rule="entailment 1; neutral and contradiction 0; - dropped",
    licence="for academic use only (CNSD)",
    source="https://github.com/CLUEbenchmark/CLUE or https://github.com/pluto-junzeng/CNSD; "
    "copy of dev: https://github.com/zejunwang1/CSTS",
    citation="Williams et al., A Broad-Coverage Challenge Corpus for Sentence Understanding through Inference, "
    "NAACL 2018; Xu et al., CLUE: A Chinese Language Understanding Evaluation Benchmark, COLING 2020",
)
