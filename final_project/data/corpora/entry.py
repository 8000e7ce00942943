"""What the registry knows of one corpus, and of each raw file that belongs to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from final_project.data.records import Pair

Counts = tuple[int, int]  # positive, negative


@dataclass(frozen=True)
class Part:
    """One raw file of a corpus.

    name    what it is called here, unique in its corpus; often the split's name
    split   what its authors use it for
    files   the names that the release and its mirrors give this file, relative to one of the corpus's folders
    counts  the pairs that the reader finds in it; None where unlabelled or not known
    merged  whether the published collection took it in
    inside  name of a larger part that contains this one: it is read only where the larger one is absent
    """

    name: str
    split: Literal["train", "dev", "test"]
    files: tuple[str, ...]
    counts: Counts | None = None
    merged: bool = True
    inside: str = ""


@dataclass(frozen=True)
class Corpus:
    """One of the corpora.

    folders       below the data folder, besides `name` itself; each may also lie below corpora/
    read          a raw file -> its pairs, streamed; raises DataError with file and line
    counts        pairs of the published collection
    why_not_text  a raw file -> why its rows are no text to train on, or None where they are
    licence       licence or terms, and what they allow
    source        where a user gets it
    """

    name: str
    folders: tuple[str, ...]
    parts: tuple[Part, ...]
    read: Callable[[Path], Iterator[Pair]]
    counts: Counts
    raw_format: str
    label_rule: str
    licence: str
    source: str
    citation: str
    why_not_text: Callable[[Path], str | None] = lambda path: None
