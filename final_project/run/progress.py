"""Progress of a stage: a bar on a terminal, else a log line per interval; metrics.jsonl (one JSON object per line; a
figure that is not finite is null) and the trackers of trackers.py."""

from __future__ import annotations

import logging
import math
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TypeVar

from tqdm import tqdm

from final_project import strict_json
from final_project.artifacts import append_whole, write_text
from final_project.run.trackers import trackers

log = logging.getLogger(__name__)
Item = TypeVar("Item")

LINE_EVERY_S = 10.0
LINE = {  # the figures in a step's log line and their format; metrics.jsonl has all figures
    "loss": "loss {:.4f}",
    "grad_norm": "norm {:.3g}",
    "lr": "lr {:.3g}",
    "tokens_per_s": "{:,.0f} tokens/s",
    "padding": "{:.0%} padding",
    "peak_share": "{:.0%} of peak",
    "memory_mb": "{:,.0f} MB",
    "bad_steps": "{} skipped",
}


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
    """Logs one training stage. Only rank 0 has a folder to write to; the others log nothing.

    A resumed run cuts metrics.jsonl back to the step it resumes from, so that no step is in it twice.
    """

    def __init__(
        self, folder: Path | None, label: str, total_steps: int, first_step: int, log_every: int, wandb: str = ""
    ):
        """wandb: the Weights & Biases project that gets the figures too; empty: none."""
        self._folder = folder
        self._label = label
        self._total = total_steps
        self._first = first_step
        self._log_every = log_every
        self._began = time.monotonic()
        self._bar: tqdm | None = None
        self._is_losing = False
        if folder is None:
            return
        self._path = folder / "metrics.jsonl"
        _cut_back(self._path, first_step)
        if first_step and not self._path.stat().st_size:
            log.warning(
                "%s: the metrics of the steps up to %d are lost; the curves begin after them", self._path, first_step
            )
        self._trackers = trackers(folder, label, first_step, wandb)
        if sys.stderr.isatty():
            self._bar = tqdm(total=total_steps, initial=first_step, desc=label, unit="step", leave=False)

    def update(self, step: int, loss: float, figures: Callable[[], dict[str, float]]) -> None:
        """Log one optimizer step, numbered from 1. figures: returns the figures of the steps since its last call; it is
        called only for steps that are written."""
        if self._folder is None:
            return
        if self._bar is not None:
            self._bar.set_postfix(loss=f"{loss:.4f}", refresh=False)
            self._bar.update(1)
        if step % self._log_every == 0 or step == self._total:
            left_s = (time.monotonic() - self._began) / (step - self._first) * (self._total - step)
            metrics = {"loss": loss, **figures(), "seconds_left": round(left_s, 1)}
            self._write(step, metrics)
            if self._bar is None:
                shown = "  ".join(form.format(metrics[name]) for name, form in LINE.items() if _is_shown(name, metrics))
                log.info("%s: step %d/%d  %s  %s left", self._label, step, self._total, shown, _clock(left_s))

    def evaluation(self, step: int, metrics: dict[str, float]) -> None:
        """Log figures measured on held-out data after a step, if there are any."""
        if self._folder is None or not metrics:
            return
        self._write(step, metrics)
        shown = "  ".join(f"{key} {value:.4f}" for key, value in metrics.items())
        tqdm.write(f"{self._label}: step {step}/{self._total}  {shown}", file=sys.stderr)

    def close(self) -> None:
        if self._folder is not None:
            for tracker in self._trackers:
                tracker.close()
        if self._bar is not None:
            self._bar.close()

    def _write(self, step: int, metrics: dict[str, float]) -> None:
        """Append one line. If the disk is full, lines are lost with one warning, and training continues."""
        finite = {name: value if math.isfinite(value) else None for name, value in metrics.items()}
        line = strict_json.dumps({"step": step, **finite}, str(self._path), sort_keys=True) + "\n"
        try:
            append_whole(self._path, line.encode())
            for tracker in self._trackers:
                tracker.add(step, {name: value for name, value in finite.items() if value is not None})
            self._is_losing = False
        except OSError as error:
            if not self._is_losing:
                log.warning("%s: cannot write: %s; figures are lost until it can", self._path, error.strerror)
            self._is_losing = True


def _is_shown(name: str, metrics: dict[str, float]) -> bool:
    return name in metrics and (metrics[name] > 0 or name != "bad_steps")


def read_metrics(path: Path) -> list[dict[str, float]]:
    """The lines of a metrics.jsonl. An incomplete last line (a kill) is skipped; other damaged lines are skipped with a
    warning."""
    if not path.is_file():
        return []
    rows, damaged = [], []
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        row = _parse_metrics(line)
        if row is not None:
            rows.append(row)
        elif number < len(lines):
            damaged.append(number)
    if damaged:
        log.warning("%s:%d: not the figures of a step; %d damaged lines are skipped", path, damaged[0], len(damaged))
    return rows


def _parse_metrics(line: str) -> dict[str, float] | None:
    try:
        row = strict_json.loads(line)
    except ValueError:
        return None
    return row if isinstance(row, dict) and isinstance(row.get("step"), int) else None


def _cut_back(path: Path, last_step: int) -> None:
    kept = [row for row in read_metrics(path) if row["step"] <= last_step]
    write_text(path, "".join(strict_json.dumps(row, str(path), sort_keys=True) + "\n" for row in kept))


def _clock(seconds: float) -> str:
    minutes, seconds = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
