"""PKU_Paraphrase_Bank: 509,832 pairs of sentences from different translations of the same books (2019)."""

from __future__ import annotations

from final_project.data.corpora.entry import Corpus, Part
from final_project.data.corpora.readers.rows import Rows

PKU_PARAPHRASE_BANK = Corpus(
    name="PKU_Paraphrase_Bank",
    folders=("pku", "PKU-Paraphrase-Bank", "pku_paraphrase_bank", "paraphrase_unorder"),
    parts=(
        Part(
            "train",
            "train",
            ("paraphrase_unorder", "paraphrase_unorder.txt", "train.tsv", "train.txt", "train.csv"),
            (509_832, 0),
        ),
    ),
    read=Rows(absent=1),
    counts=(509_832, 0),
    raw_format="sentence1<TAB>sentence2, no label, no header; unpacked from paraphrase_unorder.zip",
    label_rule="every pair 1",
    licence="none stated: take it as for research only; cite the paper",
    source="https://github.com/pkucoli/PKU-Paraphrase-Bank",
    citation="Zhang et al., PKU Paraphrase Bank: A Sentence-Level Paraphrase Corpus for Chinese, NLPCC 2019",
)
