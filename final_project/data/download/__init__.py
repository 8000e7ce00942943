"""Fetch the corpora that are served openly: what `prepare --download` does once their terms were accepted.

Each file is written where the registry looks for it: data/OCNLI/dev.json. An existing file is never overwritten.
"""

from __future__ import annotations

import contextlib
import difflib
import fcntl
import logging
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from final_project.data.download.archive import unpack
from final_project.data.download.offers import Offer
from final_project.data.download.transfer import WAITS_S, fetch
from final_project.errors import ArtifactError, UsageError

log = logging.getLogger(__name__)

ALL = "all"


def download(offers: Sequence[Offer], data_dir: Path, waits_s: Sequence[float] = WAITS_S) -> list[Path]:
    """Fetch the offers' files below the data folder, one process at a time; returns the corpora's files."""
    began = time.monotonic()
    files: list[Path] = []
    with _alone_in(data_dir):
        for offer in offers:
            log.info("%s: %s; terms: %s", offer.corpus, offer.licence, offer.terms)
            for item in offer.items:
                target = data_dir / item.target
                fetch(item.remote, target, waits_s)
                members = {name: data_dir / place for name, place in item.members.items()}
                if members:
                    unpack(target, members)
                files += members.values() or [target]
    log.info("download: %d files are in %s, %.1f s", len(files), data_dir, time.monotonic() - began)
    return files


def choose_offers(names: Sequence[str], offers: Sequence[Offer]) -> list[Offer]:
    """The offers of these names, letter case aside; each once, in the order of the list."""
    by_name = {offer.corpus.lower(): offer for offer in offers}
    for name in names:
        if name.lower() not in (ALL, *by_name):
            close = difflib.get_close_matches(name.lower(), by_name, n=1)
            hint = f"; did you mean {by_name[close[0]].corpus}?" if close else ""
            known = ", ".join(offer.corpus for offer in offers)
            raise UsageError(
                f"no download named {name!r}{hint}; there are: {known} (or {ALL}). "
                "Where the other corpora come from: python -m final_project corpora"
            )
    lowered = [name.lower() for name in names]
    return [offer for offer in offers if ALL in lowered or offer.corpus.lower() in lowered]


@contextlib.contextmanager
def _alone_in(data_dir: Path) -> Iterator[None]:
    """Wait until no other process downloads into this folder. The lock ends with the process, however that ends."""
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / ".download.lock").open("w")
    except OSError as error:
        raise ArtifactError(f"{data_dir}: cannot write: {error.strerror}") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            log.info("download: another process downloads into %s; waiting for it to end", data_dir)
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
