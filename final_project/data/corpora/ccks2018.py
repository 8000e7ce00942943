"""CCKS2018_Task3: 100,000 pairs of questions to WeBank's customer service; it is the BQ corpus (2018)."""

from __future__ import annotations

from final_project.data.corpora.entry import Corpus, Part
from final_project.data.corpora.readers.columns import ID_SENTENCES, SENTENCES, SENTENCES_LABEL
from final_project.data.corpora.readers.rows import Rows

CCKS2018_TASK3 = Corpus(
    name="CCKS2018_Task3",
    folders=("bq_ccks2018", "ccks2018", "BQ", "bq_corpus"),
    parts=(
        Part(
            "train",
            "train",
            ("task3_train.txt", "BQ_train.csv", "BQ.train.data", "train.tsv", "train.txt", "train.csv"),
            (50_000, 50_000),
        ),
        Part("dev", "dev", ("task3_dev.txt",), merged=False),
        Part("test", "test", ("test_with_id.txt",), merged=False),
        # BQ gives 9,969 of the contest's 10,000 dev pairs their labels.
        Part(
            "bq_dev",
            "dev",
            ("BQ_dev.csv", "BQ.valid.data", "dev.tsv", "dev.txt", "dev.csv"),
            (5_000, 5_000),
            merged=False,
        ),
        Part(
            "bq_test",
            "test",
            ("BQ_test.csv", "BQ.test.data", "test.tsv", "test.txt", "test.csv"),
            (5_000, 5_000),
            merged=False,
        ),
    ),
    read=Rows(layouts=(SENTENCES_LABEL, ID_SENTENCES, SENTENCES)),
    counts=(50_000, 50_000),
    raw_format="s1<TAB>s2<TAB>label; dev and test id<TAB>s1<TAB>s2, unlabelled; BQ's own files are CSV with a header",
    label_rule="as given: 1 same meaning (a mirror's Readme says the opposite, and is wrong)",
    licence="terms of the contest on biendata; BQ on application, for research only",
    source="https://www.biendata.xyz/competition/CCKS2018_3/; BQ: http://icrc.hitsz.edu.cn/Article/show/175.html",
    citation="Chen et al., The BQ Corpus: A Large-scale Domain-specific Chinese Corpus For Sentence Semantic "
    "Equivalence Identification, EMNLP 2018",
)
