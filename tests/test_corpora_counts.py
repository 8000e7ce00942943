"""The counts of the published collection, out of the whole raw files where they are at hand, by `convert`."""

from __future__ import annotations

import hashlib
import lzma
import tarfile

import pytest
from corpora_support import ARCHIVE, NAMES, convert, read

from final_project.data.corpora.registry import CORPORA

# corpus, files in the archive, positive, negative
WHOLE_FILES = [
    ("DIAC2019", ["diac2019/train_set.xml"], 38_446, 61_852),
    ("CCKS2018_Task3", ["bq_ccks2018/BQ_dev.csv"], 5_000, 5_000),
    ("CCKS2018_Task3", ["bq_ccks2018/BQ_test.csv"], 5_000, 5_000),
    ("LCQMC", ["lcqmc/train.tsv"], 138_574, 100_192),
    ("LCQMC", ["lcqmc/dev.tsv"], 4_402, 4_400),
    ("AFQMC", ["afqmc/train.txt", "afqmc/dev.txt"], 11_911, 26_739),
    ("GAIIC2021_Task3", ["oppo_xiaobu/dev.txt"], 3_037, 6_963),
    ("THS2021", ["ths2021/train.tsv"], 10_478, 31_278),
    ("CHIP2019", ["chip2019/train.csv"], 10_000, 10_000),
    ("SOHU_2021", ["sohu2021/samples_ssA.txt"], 352, 621),
    ("COVID19", ["covid19/train_20200228.csv", "covid19/dev_20200228.csv"], 4_301, 6_448),
    ("PAWSX", ["pawsx_zh/dev_2k.tsv"], 853, 1_147),
    ("PAWSX", ["pawsx_zh/test_2k.tsv"], 894, 1_106),
    ("XF2021", ["xf2021/train.csv"], 2_892, 2_108),
    ("Chinese-MNLI", ["cmnli/dev.txt"], 4_277, 7_964),
    ("Chinese-SNLI", ["csnli/dev.txt", "csnli/test.txt"], 6_308, 12_182),
    (
        "Chinese-STS-B",
        ["cstsb/cnsd-sts-train.txt", "cstsb/cnsd-sts-dev.txt", "cstsb/cnsd-sts-test.txt"],
        401,
        4_072,
    ),
    ("OCNLI", ["ocnli/train.10k.json"], 3_309, 6_676),
    ("OCNLI", ["ocnli/train.3k.json"], 974, 2_020),
    ("OCNLI", ["ocnli/dev.json"], 947, 2_003),
]

# corpus, file, rows
UNLABELLED_FILES = [
    ("LCQMC", "lcqmc/test_unlabelled.tsv", 12_500),
    ("AFQMC", "afqmc/test_unlabelled.txt", 3_861),
    ("THS2021", "ths2021/test.tsv", 2_000),
    ("XF2021", "xf2021/test.csv", 5_000),
    ("OCNLI", "ocnli/test.json", 3_000),
]


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory):
    """A folder with the raw files that these tests read."""
    if not ARCHIVE.is_file():
        pytest.skip(f"the real corpora are not at {ARCHIVE}")
    wanted = {f"corpora/{file}" for _, files, *_ in WHOLE_FILES for file in files}
    wanted |= {f"corpora/{file}" for _, file, _ in UNLABELLED_FILES}
    folder = tmp_path_factory.mktemp("corpora")
    with lzma.open(ARCHIVE) as packed, tarfile.open(fileobj=packed, mode="r|") as archive:
        for member in archive:
            if member.name in wanted:
                target = folder / member.name.removeprefix("corpora/")
                target.parent.mkdir(exist_ok=True)
                target.write_bytes(archive.extractfile(member).read())
    return folder


@pytest.mark.stage
@pytest.mark.parametrize(
    ("corpus", "files", "positive", "negative"), WHOLE_FILES, ids=[f"{row[0]}-{row[1][0]}" for row in WHOLE_FILES]
)
def test_convert_finds_the_counts_of_the_published_collection(
    unpacked, tmp_path, capsys, corpus, files, positive, negative
):
    status, answer, _ = convert(capsys, corpus, [unpacked / file for file in files], tmp_path / "pairs.csv")
    assert status == 0
    assert (answer["positive"], answer["negative"], answer["unlabelled"]) == (positive, negative, 0)
    parts = [part for file in files for part in CORPORA[corpus].parts if file.split("/")[1] in part.files]
    assert tuple(map(sum, zip(*(part.counts for part in parts), strict=True))) == (positive, negative)


@pytest.mark.parametrize(("corpus", "file", "n_rows"), UNLABELLED_FILES, ids=[row[1] for row in UNLABELLED_FILES])
def test_test_sets_without_labels_are_read_as_such(unpacked, corpus, file, n_rows):
    assert [pair.label for pair in read(corpus, unpacked / file)] == [None] * n_rows


@pytest.mark.stage
def test_the_train_part_of_lcqmc_becomes_the_original_projects_own_csv(unpacked, tmp_path, capsys):
    output = tmp_path / "train_data.csv"
    assert convert(capsys, "LCQMC", [unpacked / "lcqmc" / "train.tsv"], output)[0] == 0
    content = output.read_bytes()
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    assert blob == "0a217434c9497b855476f463803588e77a8a1380"


def test_every_corpus_but_the_one_without_files_is_counted():
    assert {corpus for corpus, *_ in WHOLE_FILES} == set(NAMES) - {"PKU_Paraphrase_Bank"}
