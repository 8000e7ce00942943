"""What a user sees while a stage works: a bar on a terminal, a log line per interval elsewhere; and what is kept:
metrics.jsonl (one JSON object a line) and TensorBoard events."""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from final_project.artifacts import write_text

log = logging.getLogger(__name__)
Item = TypeVar("Item")

LINE_EVERY_S = 10.0


def progress(items: Iterable[Item], total: int, label: str, unit: str = "rows") -> Iterator[Item]:
    """Yield the items; show a bar with rate and time left on a terminal, a log line every ten seconds elsewhere."""
    if sys.stderr.isatty():
        yield from tqdm(items, total=total, desc=label, unit=unit, leave=False)
        return
    began = last = time.monotonic()
    for done, item in enumerate(items, start=1):
        yield item
        now = time.monotonic()
        if now - last >= LINE_EVERY_S:
            last = now
            log.info("%s: %d/%d %s, %s left", label, done, total, unit, _clock((now - began) / done * (total - done)))


class Journal:
    """The course of one training stage. Only rank 0 has a folder to write to; the others stay silent.

    A resumed run cuts metrics.jsonl back to the step it resumes from, so that no step stands there twice.
    """

    def __init__(self, folder: Path | None, label: str, total_steps: int, first_step: int, log_every: int):
        self._folder = folder
        self._label = label
        self._total = total_steps
        self._first = first_step
        self._log_every = log_every
        self._began = time.monotonic()
        self._rows = 0
        self._bar = None
        if folder is None:
            return
        from torch.utils.tensorboard import SummaryWriter  # slow to import, so only where it is used

        self._path = folder / "metrics.jsonl"
        _cut_back(self._path, first_step)
        self._events = SummaryWriter(str(folder / "tensorboard"), purge_step=first_step + 1)
        if sys.stderr.isatty():
            self._bar = tqdm(total=total_steps, initial=first_step, desc=label, unit="step", leave=False)

    def update(self, step: int, rows: int, **metrics: float) -> None:
        """Note one optimizer step (numbered from 1) and the rows it took."""
        if self._folder is None:
            return
        self._rows += rows
        if self._bar is not None:
            self._bar.set_postfix(loss=f"{metrics['loss']:.4f}", refresh=False)
            self._bar.update(1)
        if step % self._log_every == 0 or step == self._total:
            elapsed_s = time.monotonic() - self._began
            rate = self._rows / elapsed_s
            left_s = elapsed_s / (step - self._first) * (self._total - step)
            self._write(step, {**metrics, "rows_per_s": round(rate, 2)})
            if self._bar is None:
                shown = "  ".join(f"{key} {value:.4g}" for key, value in metrics.items())
                log.info(
                    "%s: step %d/%d  %s  %.0f rows/s, %s left",
                    self._label, step, self._total, shown, rate, _clock(left_s),
                )  # fmt: skip

    def evaluation(self, step: int, metrics: dict[str, float]) -> None:
        """Note figures measured on held-out data after a step."""
        if self._folder is None:
            return
        self._write(step, metrics)
        shown = "  ".join(f"{key} {value:.4f}" for key, value in metrics.items())
        tqdm.write(f"{self._label}: step {step}/{self._total}  {shown}", file=sys.stderr)

    def close(self) -> None:
        if self._folder is not None:
            self._events.close()
        if self._bar is not None:
            self._bar.close()

    def _write(self, step: int, metrics: dict[str, float]) -> None:
        with self._path.open("a", encoding="utf-8", newline="\n") as file:
            file.write(json.dumps({"step": step, **metrics}, sort_keys=True) + "\n")
        for key, value in metrics.items():
            self._events.add_scalar(key, value, step)


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The lines of a metrics.jsonl; a last line that a kill cut short is left out."""
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(json.loads(line))
        except json.JSONDecodeError:
            break
    return rows


def _cut_back(path: Path, last_step: int) -> None:
    kept = [row for row in read_metrics(path) if row["step"] <= last_step]
    write_text(path, "".join(json.dumps(row, sort_keys=True) + "\n" for row in kept))


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
