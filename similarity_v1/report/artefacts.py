"""What the report reads of a run: JSON objects that the stages have written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from final_project.artifacts import read_json
from final_project.errors import ArtifactError


def read_object(path: Path) -> dict[str, Any] | None:
    """The JSON object in a file, None where there is none. Raises ArtifactError where the file holds anything else."""
    try:
        value = read_json(path)
    except FileNotFoundError:
        return None
    if not isinstance(value, dict):
        raise ArtifactError(f"{path}: expected a JSON object, found a {type(value).__name__}")
    return value
