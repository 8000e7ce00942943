"""What benches do with figures: read those of a stage's run, print their own as JSON, write them where asked."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


def show(figures: dict[str, Any], output: Path | None) -> None:
    text = json.dumps(figures, indent=1)
    print(text)
    if output:
        output.parent.mkdir(parents=True, exist_ok=True)
        output.write_text(text + "\n", encoding="utf-8")


def measured(stage_folder: Path, key: str) -> list[dict[str, Any]]:
    """The rows of a stage's metrics.jsonl that have a figure of that name."""
    lines = (stage_folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [row for row in map(json.loads, lines) if key in row]
