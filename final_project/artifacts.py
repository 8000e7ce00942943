"""Files and folders that are there whole or not at all, and digests of them."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any

import xxhash
from safetensors import SafetensorError

from final_project import strict_json
from final_project.errors import ArtifactError

CONTENTS_FILE = "contents.json"


@contextlib.contextmanager
def write_atomic(path: str | Path, mode: str = "w") -> Iterator[IO[Any]]:
    """Open a temporary neighbour of `path` and rename it over `path` when the block ends without an error.

    Text is UTF-8 with LF. Whatever goes wrong, `path` is the old file or the whole new one. Raises ArtifactError
    where the place cannot be written or the disk is full.
    """
    path = Path(path)
    neighbour = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.is_dir():
            raise IsADirectoryError(21, "Is a directory")
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        neighbour = Path(name)
        is_text = "b" not in mode
        with os.fdopen(
            descriptor, mode, encoding="utf-8" if is_text else None, newline="\n" if is_text else None
        ) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        neighbour.chmod(0o666 & ~_umask())
        neighbour.replace(path)
    except OSError as error:
        raise ArtifactError(f"{path}: cannot write: {error.strerror or error}") from error
    finally:
        if neighbour is not None:
            neighbour.unlink(missing_ok=True)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def write_text(path: str | Path, text: str) -> None:
    with write_atomic(path) as file:
        file.write(text)


def append_whole(path: Path, data: bytes) -> None:
    """Append all of the data, or leave the file as it was and raise OSError."""
    with path.open("ab") as file:
        before = file.tell()
        try:
            file.write(data)
            file.flush()
        except OSError:
            os.ftruncate(file.fileno(), before)
            raise


def write_json(path: str | Path, value: Any) -> None:
    """Raises ArtifactError where a number is not finite; the file is then as it was."""
    write_text(path, strict_json.dumps(value, str(path), ensure_ascii=False, indent=1, sort_keys=True) + "\n")


def read_json(path: Path) -> Any:
    """The value in a file that write_json has written. Raises FileNotFoundError, and ArtifactError with file and line
    where a number is not finite or the file is damaged."""
    try:
        return strict_json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except strict_json.NotFiniteNumber as error:
        raise ArtifactError(f"{path}:{error.lineno}: {error.msg}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path}: cannot be read: {error}") from error


@contextlib.contextmanager
def folder_atomic(folder: Path) -> Iterator[Path]:
    """Yield an empty neighbour folder; it takes the place of `folder` when the block ends without an error."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    neighbour = folder.parent / f".{folder.name}.partial"
    old = folder.parent / f".{folder.name}.old"
    try:
        shutil.rmtree(neighbour, ignore_errors=True)
        neighbour.mkdir()
        yield neighbour
        if folder.exists() or folder.is_symlink():
            remove(old)
            folder.rename(old)
        neighbour.rename(folder)
    except (OSError, SafetensorError) as error:
        raise ArtifactError(f"{folder}: cannot write: {getattr(error, 'strerror', None) or error}") from error
    finally:
        remove(neighbour)
        remove(old)


def end_replacement(folder: Path) -> None:
    """End what a kill has cut short inside folder_atomic: where the old folder is out of its place and the new one is
    not yet there, the old one returns."""
    old = folder.parent / f".{folder.name}.old"
    if old.exists() and not folder.exists():
        old.rename(folder)


def remove(path: Path) -> None:
    """Remove a folder, a file or a link, whichever it is; what cannot be removed stays."""
    if path.is_symlink() or path.is_file():
        path.unlink(missing_ok=True)
    else:
        shutil.rmtree(path, ignore_errors=True)


def seal(folder: Path, names: Iterable[str] | None = None) -> None:
    """Note size and digest of these files of a folder, of all where none are named; written last, it is the sign that
    they are whole (see `damage_of`)."""
    if names is None:
        names = [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]
    write_json(folder / CONTENTS_FILE, {name: [(folder / name).stat().st_size, _quick_digest(folder / name)]
                                        for name in sorted(names)})  # fmt: skip


def damage_of(folder: Path) -> str:
    """What is not as it was when the folder was sealed, in words; empty where all is as it was."""
    try:
        sealed = strict_json.loads((folder / CONTENTS_FILE).read_text(encoding="utf-8"))
        for name, (size, digest) in sealed.items():
            path = folder / name
            if not path.is_file():
                return f"{name} is missing"
            if path.stat().st_size != size:
                return f"{name} has {path.stat().st_size:,} bytes where {size:,} were written"
            if _quick_digest(path) != digest:
                return f"{name} has changed since it was written"
    except FileNotFoundError:
        return f"{CONTENTS_FILE} is missing" if folder.is_dir() else "it is missing"
    except (OSError, ValueError, TypeError, AttributeError) as error:
        return f"{CONTENTS_FILE} cannot be read ({error})"
    return ""


def _quick_digest(path: Path) -> str:
    """A digest against damage, not against malice: checkpoints of gigabytes are read at the speed of memory."""
    return _digest_of_file(path, xxhash.xxh3_128())


def file_digest(path: Path) -> str:
    return _digest_of_file(path, hashlib.sha256())


def _digest_of_file(path: Path, digest: Any) -> str:
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def digest_of(value: Any) -> str:
    """A digest of anything JSON can hold; equal values give equal digests."""
    return hashlib.sha256(strict_json.dumps(value, "a digest", sort_keys=True, ensure_ascii=False).encode()).hexdigest()
