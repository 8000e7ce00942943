"""What a classifier's outputs are called, and of which kind transformers takes them to be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Outputs:
    """names: one an output. problem_type: as in a transformers config; None = transformers decides."""

    names: Sequence[str]
    problem_type: str | None = None

    def __len__(self) -> int:
        return len(self.names)

    @property
    def options(self) -> dict[str, Any]:
        """Entries of the config."""
        id2label = dict(enumerate(self.names))
        options = {
            "num_labels": len(id2label),
            "id2label": id2label,
            "label2id": {name: number for number, name in id2label.items()},
        }
        return options | ({"problem_type": self.problem_type} if self.problem_type else {})
