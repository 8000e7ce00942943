"""Find the raw files of a corpus on disk, and say where the missing ones belong.

A corpus lies in a folder of its own below a data folder, under its name or one that mirrors use, with the file names of
its release or of a mirror: data/LCQMC/train.tsv, data/corpora/lcqmc/train.txt. In place of the raw files the published
collection's own file may lie there: data/LCQMC.tsv, data/LCQMC/LCQMC.tsv.
"""

from __future__ import annotations

from pathlib import Path

from final_project.artifacts import file_digest
from final_project.data.corpora.entry import Corpus, Part
from final_project.errors import DataError
from final_project.places import CHECKOUT

COLLECTION = "collection"  # the part name of the published collection's own file
COLLECTION_ENDINGS = ("tsv", "txt", "csv")
CHECKOUT_CORPORA = (CHECKOUT or Path()) / "corpora"


def data_folders(data_dir: str | Path) -> list[Path]:
    """Where corpora are looked for: the data folder, corpora/ in it, and corpora/ in this checkout, which only fills
    the gaps that the first two leave."""
    return [Path(data_dir), Path(data_dir) / "corpora", CHECKOUT_CORPORA]


def places(corpus: Corpus, part: Part, data_dir: str | Path) -> list[Path]:
    """Where the part may lie below one data folder, corpora/ aside; the first is where one would put it."""
    return [Path(data_dir) / folder / file for folder in (corpus.name, *corpus.folders) for file in part.files]


def find_part(corpus: Corpus, part: Part, folders: list[Path]) -> Path | None:
    """The file of a part, or None where there is none. Raises DataError on a folder in place of the file, and where
    two files that differ would fit."""
    candidates = [path for folder in folders for path in places(corpus, part, folder)]
    return _the_file(f"{corpus.name} {part.name}", candidates)


def find_parts(corpus: Corpus, folders: list[Path]) -> dict[str, Path]:
    """Part name -> file, of all parts to be read, in the entry's order, those that the collection left out among them.

    A part that a larger one contains counts only where none of the larger ones is there. Where no part that the
    collection took in is found, the collection's own file counts, as COLLECTION. Raises like find_part.
    """
    found = {part.name: path for part in corpus.parts if (path := find_part(corpus, part, folders))}
    larger = {part.name: part.inside for part in corpus.parts}
    found = {name: path for name, path in found.items() if not _is_contained(name, larger, found)}
    if not any(part.merged and part.name in found for part in corpus.parts):
        candidates = [path for folder in folders for path in _collection_places(corpus, folder)]
        if collection := _the_file(f"{corpus.name} of the collection", candidates):
            found[COLLECTION] = collection
    return found


def missing_parts(corpus: Corpus, folders: list[Path]) -> list[Part]:
    """The parts that the collection took in and that are not there; none where its own file is. Raises like find_part.

    A part inside a larger one is not missing, the larger one is. But where several make up the larger one, as train and
    valid do a file of both, those of them are missing that are not there.
    """
    found = find_parts(corpus, folders)
    if COLLECTION in found:
        return []
    missing = []
    for part in corpus.parts:
        if part.merged and not part.inside and part.name not in found:
            pieces = [piece for piece in corpus.parts if piece.merged and piece.inside == part.name]
            missing += [piece for piece in pieces if piece.name not in found] if len(pieces) > 1 else [part]
    return missing


def _collection_places(corpus: Corpus, folder: Path) -> list[Path]:
    files = [f"{corpus.name}.{ending}" for ending in COLLECTION_ENDINGS]
    return [folder / below / file for below in ("", corpus.name, *corpus.folders) for file in files]


def _is_contained(name: str, larger: dict[str, str], found: dict[str, Path]) -> bool:
    """Whether a part that was found contains this one, directly or through parts that are absent."""
    while name := larger[name]:
        if name in found:
            return True
    return False


def _the_file(what: str, candidates: list[Path]) -> Path | None:
    """The first candidate that is there. The others must not differ, but for those that only fill gaps."""
    found = [path for path in candidates if path.exists()]
    found = [path for path in found if CHECKOUT_CORPORA not in path.parents] or found
    for path in found:
        if not path.is_file():
            raise DataError(path, f"expected a file ({what}), found a folder")
        if not path.samefile(found[0]) and not _same_content(path, found[0]):
            raise DataError(found[0], f"two files for {what} that differ: also found {path}; remove one of them")
    return found[0] if found else None


def _same_content(one: Path, other: Path) -> bool:
    return one.stat().st_size == other.stat().st_size and file_digest(one) == file_digest(other)
