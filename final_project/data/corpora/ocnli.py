"""OCNLI: 53,387 pairs, premises of five genres with hypotheses written in Chinese (CLUE, 2020)."""

from __future__ import annotations

from final_project.data.corpora.entry import Corpus, Part
from final_project.data.corpora.readers.labels import ENTAILMENT, ZERO_ONE
from final_project.data.corpora.readers.rows import Rows

OCNLI = Corpus(
    name="OCNLI",
    folders=("ocnli", "ocnli_public"),
    parts=(
        Part(
            "train.50k",
            "train",
            ("train.50k.json", "train.json", "train.txt", "train.tsv", "train.csv"),
            (16_779, 33_658),
        ),
        Part("train.30k", "train", ("train.30k.json",), inside="train.50k"),
        Part("train.10k", "train", ("train.10k.json",), (3_309, 6_676), inside="train.30k"),
        Part("train.3k", "train", ("train.3k.json",), (974, 2_020), inside="train.10k"),
        Part("dev", "dev", ("dev.json", "dev.txt", "dev.tsv", "dev.csv"), (947, 2_003)),
        Part("test", "test", ("test.json", "test.txt", "test.tsv", "test.csv"), merged=False),
    ),
    read=Rows(rules=(ENTAILMENT, ZERO_ONE)),
    counts=(17_726, 35_661),
    raw_format="JSON lines: sentence1, sentence2, label and more; test: id, no label",
    label_rule="entailment 1; neutral and contradiction 0; - dropped, in train as well",
    licence="CC BY-NC 2.0: not for commercial use; name the authors",
    source="https://github.com/CLUEbenchmark/OCNLI",
    citation="Hu et al., OCNLI: Original Chinese Natural Language Inference, Findings of EMNLP 2020",
)
