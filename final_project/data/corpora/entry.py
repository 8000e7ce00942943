"""What the registry knows of one corpus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from final_project.data.pairs import Pair


@dataclass(frozen=True)
class Corpus:
    """places: per split (train, dev, test) the relative paths under which mirrors keep it, the first one found counts.
    read: a raw file -> its pairs; raises DataError with file and line."""

    name: str
    places: dict[str, tuple[str, ...]]
    read: Callable[[Path], list[Pair]]
    raw_format: str
    licence: str
    source: str
