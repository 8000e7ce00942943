"""Loading weights without transformers' report of them: what a folder lacks is refused here in one sentence, and what
the report calls unexpected are this project's own parts (own_parts.py)."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from transformers.utils import logging


@contextlib.contextmanager
def without_report() -> Iterator[None]:
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)
