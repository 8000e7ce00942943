"""PAWSX: the Chinese part of PAWS-X, 53,401 pairs that share words but not always meaning (Google, 2019)."""

from __future__ import annotations

from final_project.data.corpora.entry import Corpus, Part
from final_project.data.corpora.readers.columns import ID_SENTENCES_LABEL, SENTENCES, SENTENCES_LABEL
from final_project.data.corpora.readers.rows import Rows

PAWSX = Corpus(
    name="PAWSX",
    folders=("pawsx_zh", "pawsx", "PAWS-X", "x-final/zh", "paws-x-zh"),
    parts=(
        Part(
            "train",
            "train",
            ("translated_train.tsv", "PAWSX.train.data", "train.tsv", "train.txt", "train.csv"),
            (21_829, 27_572),
        ),
        Part("dev", "dev", ("dev_2k.tsv", "PAWSX.valid.data", "dev.tsv", "dev.txt", "dev.csv"), (853, 1_147)),
        Part("test", "test", ("test_2k.tsv", "PAWSX.test.data", "test.tsv", "test.txt", "test.csv"), (894, 1_106)),
    ),
    read=Rows(layouts=(SENTENCES_LABEL, ID_SENTENCES_LABEL, SENTENCES)),
    counts=(23_576, 29_825),
    raw_format="id<TAB>sentence1<TAB>sentence2<TAB>label with a header; quotes mean nothing",
    label_rule="as given; rows whose translation is missing (NS) stay, as in the published collection",
    licence="free for any use; acknowledge Google",
    source="https://github.com/google-research-datasets/paws/tree/master/pawsx",
    citation="Yang et al., PAWS-X: A Cross-lingual Adversarial Dataset for Paraphrase Identification, EMNLP 2019",
)
