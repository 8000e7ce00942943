"""What can be downloaded: files that their owner serves openly, each with a checksum that a source states.

Not here, because no source states a checksum: OCNLI's train.30k.json (a part of train.50k.json), CLUE's
ocnli_public.zip, the archive of the PKU Paraphrase Bank, and CNSD's files. Not here, because it is not ours to fetch
without its owner's leave: LCQMC and the contest data; `python -m final_project corpora` says where each comes from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from final_project.data.download.transfer import RemoteFile


@dataclass(frozen=True)
class Item:
    """One file to fetch, and its path below the data folder; of an archive, the path of each member."""

    remote: RemoteFile
    target: str
    members: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Offer:
    """All that is downloaded of one corpus.

    corpus    its name in the registry
    about     what it is
    licence   what the one who serves these very files allows, which may differ from the corpus's other homes
    terms     address of the full terms
    """

    corpus: str
    about: str
    licence: str
    terms: str
    items: tuple[Item, ...]


def _ocnli(file: str, commit: str, sha256: str, n_bytes: int | None) -> Item:
    url = f"https://raw.githubusercontent.com/CLUEbenchmark/OCNLI/{commit}/data/ocnli/{file}"
    return Item(RemoteFile(url, sha256, n_bytes), f"OCNLI/{file}")


def _archive(url: str, sha256: str, n_bytes: int, folder: str, *members: str) -> Item:
    """An archive stays in downloads/, so that asking again needs no network; its members go flat into one folder."""
    targets = {member: f"{folder}/{member.rpartition('/')[2]}" for member in members}
    return Item(RemoteFile(url, sha256, n_bytes), f"downloads/{url.rpartition('/')[2]}", targets)


# Sizes and checksums of the four: taken from the files themselves at this commit. train.50k.json is recorded with its
# SHA-256 at the commit below by two public projects that read it; one of them records for dev.json, in the same list,
# the sum that we have from the file itself, and the other finds 50,486 rows, 49 without consensus and 16,779
# entailments, which is the published collection's count. Neither gives its size.
_OCNLI_COMMIT = "b53efdee17257a5c33993cf6fcf8ffff0497ea0e"
_OCNLI_50K_COMMIT = "02d55cb3c7dc984682677b8dd81db6a1e4710720"

OCNLI = Offer(
    corpus="OCNLI",
    about="50,437 + 2,950 labelled pairs of natural language inference, written in Chinese",
    licence="CC BY-NC 2.0: share and adapt with attribution, not for commercial purposes; "
    "its news premises come from the LCMC corpus by permission of ELRA",
    terms="https://github.com/CLUEbenchmark/OCNLI#license and https://creativecommons.org/licenses/by-nc/2.0/",
    items=(
        _ocnli("dev.json", _OCNLI_COMMIT, "001ded235d73a18dac68a45a38cd5f9b3f9311fa4246df623e199422c073ddc5", 977_426),
        _ocnli("test.json", _OCNLI_COMMIT, "5fb387fd5188ea7de7c13dda0c56d44fba50d526a126a7926a5e5d131fde86bb", 440_950),
        _ocnli(
            "train.3k.json", _OCNLI_COMMIT, "b6911d293ad88b4c053c5f847b6643c79de72bdf42f9061c5f61f43f8a79dca6", 866_767
        ),
        _ocnli(
            "train.10k.json",
            _OCNLI_COMMIT,
            "b8a0b7b72f62eb8d47a4d21ba34c4948bf2bdf5fde649a964ef3779504c7ab81",
            2_893_982,
        ),
        _ocnli(
            "train.50k.json",
            _OCNLI_50K_COMMIT,
            "cb47a6c00105bfb49bbb791dd537b284d3138f9f1ad5cd1e187afc470ff004e0",
            None,
        ),
    ),
)

# Size and checksum: tensorflow/datasets, tensorflow_datasets/text/paws_x_wiki/checksums.tsv; the same in
# huggingface/datasets, datasets/paws-x/dataset_infos.json.
PAWSX = Offer(
    corpus="PAWSX",
    about="49,401 + 2,000 + 2,000 pairs, the Chinese part of PAWS-X, adversarial paraphrases from Wikipedia",
    licence="free for any purpose; acknowledging Google LLC as the source would be appreciated; no warranty",
    terms="https://github.com/google-research-datasets/paws/blob/master/LICENSE",
    items=(
        _archive(
            "https://storage.googleapis.com/paws/pawsx/x-final.tar.gz",
            "4146db499101d66e68ae4c8ed3cf9dadecd625f44b7d8cf3d4a0fe93afc4fd9f",
            30_282_057,
            "PAWSX",
            "x-final/zh/translated_train.tsv",
            "x-final/zh/dev_2k.tsv",
            "x-final/zh/test_2k.tsv",
        ),
    ),
)

# Sizes and checksums of both: huggingface/datasets, datasets/clue/dataset_infos.json; where the files lie in the
# archives: datasets/clue/clue.py next to it.
_CLUE_TASKS = "https://storage.googleapis.com/cluebenchmark/tasks"
_CLUE_LICENCE = "no licence is stated; served by CLUE for research, ask the owners before any other use"

AFQMC = Offer(
    corpus="AFQMC",
    about="34,334 + 4,316 labelled pairs of questions to Ant Financial's customer service, as CLUE serves them",
    licence=_CLUE_LICENCE,
    terms="https://github.com/CLUEbenchmark/CLUE and https://tianchi.aliyun.com/dataset/106411",
    items=(
        _archive(
            f"{_CLUE_TASKS}/afqmc_public.zip",
            "5a4cb1556b833010c329fa2ad2207d9e98fc94071b7e474015e9dd7c385db4dc",
            1_195_044,
            "AFQMC",
            "train.json",
            "dev.json",
            "test.json",
        ),
    ),
)

CHINESE_MNLI = Offer(
    corpus="Chinese-MNLI",
    about="391,783 + 12,241 labelled pairs of natural language inference (MNLI, XNLI), as CLUE serves them",
    licence=_CLUE_LICENCE,
    terms="https://github.com/CLUEbenchmark/CLUE",
    items=(
        _archive(
            f"{_CLUE_TASKS}/cmnli_public.zip",
            "3a3f3b1d3d27134cf11e585156f07fa050bd0a0836821c02696af0dbaa14513b",
            31_404_066,
            "Chinese-MNLI",
            "cmnli_public/train.json",
            "cmnli_public/dev.json",
            "cmnli_public/test.json",
        ),
    ),
)

OFFERS: tuple[Offer, ...] = (OCNLI, PAWSX, AFQMC, CHINESE_MNLI)
