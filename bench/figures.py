"""What every bench does with its figures: print them as JSON, and write them where asked."""

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
