"""The weights that were best on dev so far, in a folder next to the checkpoints.

best/model.safetensors    what the best evaluation saw, averaged where the recipe averages
best/best.json            its step and score
best/contents.json        sizes and digests of both
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from pathlib import Path

import torch

from final_project.artifacts import damage_of, folder_atomic, seal, write_json
from final_project.errors import ArtifactError
from final_project.training.weights import save_tensors

log = logging.getLogger(__name__)


class BestWeights:
    def __init__(self, folder: Path):
        self.folder = folder
        self.path = folder / "model.safetensors"

    def write(self, full: Mapping[str, torch.Tensor], best: dict) -> None:
        """Replace what is there. best: the score and step of these weights."""
        with folder_atomic(self.folder) as partial:
            save_tensors(partial / self.path.name, full)
            write_json(partial / "best.json", best)
            seal(partial)

    def check(self, best: dict, resumed_step: int | None = None) -> dict:
        """Compare what is here with the score and step that a state names; returns those of the weights here.

        An evaluation after the checkpoint of resumed_step may have put better ones here before the run was ended: they
        stay the best. Raises ArtifactError where the weights that the state names are gone, damaged or others.
        """
        if best["score"] is None:
            return best
        problem = damage_of(self.folder)
        if not problem:
            found = json.loads((self.folder / "best.json").read_text(encoding="utf-8"))
            if found == best:
                return best
            if resumed_step is not None and found["step"] > resumed_step and found["score"] > best["score"]:
                log.info(
                    "%s: from step %d, after the checkpoint; they stay the best so far", self.folder, found["step"]
                )
                return found
            problem = f"those of step {found['step']} are there"
        raise ArtifactError(
            f"{self.folder}, the best weights so far, of step {best['step']} with {abs(best['score']):.4f}: {problem}"
        )
